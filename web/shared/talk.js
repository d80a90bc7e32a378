// One open conversation: it reads the history, follows live events and says what was read. The history
// is the only truth; an event says that there is something to read.

import { h, $, avatar } from './dom.js';
import { t } from './words.js';
import { get, post, later } from './api.js';
import { Outbox } from './outbox.js';
import { Log } from './log.js';
import { Composer } from './composer.js';
import { openMenu } from './menu.js';
import { labelOf } from './rooms.js';

const page = 40;

export class Talk {
  /** on.room(view) tells the page what the room looks like now; on.signedOut() that the session is over. */
  constructor(on) {
    this.on = on;
    this.seen = { delivered: new Map(), read: new Map() };
    this.log = new Log({
      react: (l, emoji, off) => this.act('react', l, { emoji, off }),
      reply: (l) => this.composer.reply(l),
      edit: (l) => this.composer.edit(l),
      recall: (l) => this.act('recall', l),
      copy: (l) => navigator.clipboard?.writeText(l.text).catch(() => {}),
      retry: (l) => this.outbox.retry(l.msg),
      drop: (l) => { this.outbox.remove(l.msg); this.log.drop(l.msg); this.log.days(); },
      menu: (l, row, button) => openMenu(this.log.lines.get(l.id) || l, row, button, { ...this.log.can, writable: () => this.writable() }),
      replied: (l) => this.log.replied(l),
      jump: (l) => this.log.jump(l),
    });
    this.outbox = new Outbox((item) => this.posted(item), on.signedOut);
    this.composer = new Composer((item) => this.say(item), (line, text) => this.act('edit', line, { text }));
    $('older').addEventListener('click', () => this.older());
    this.log.el.addEventListener('scroll', () => {
      if (this.log.el.scrollTop < 120 && this.more) this.older();
      this.receipts();
    }, { passive: true });
    for (const e of ['focus', 'visibilitychange']) addEventListener(e, () => this.receipts());
    document.addEventListener('visibilitychange', () => this.receipts());
    this.outbox.flush();
  }
  writable() { return this.view && ['active', 'asked'].includes(this.view.state); }

  async open(room) {
    this.room = room;
    this.view = null;
    this.more = false;
    this.log.clear(room);
    $('asks').replaceChildren();
    $('typing').textContent = '';
    await this.sync();
  }
  close() { this.room = ''; this.view = null; this.log.clear(''); }

  /** sync reads the newest page. Requests that overlap become one more request after the present one. */
  sync() {
    if (this.syncing) { this.again = true; return this.syncing; }
    this.syncing = (async () => {
      do { this.again = false; await this.read(); } while (this.again);
    })().finally(() => { this.syncing = null; });
    return this.syncing;
  }
  async read() {
    const room = this.room;
    if (!room) return;
    let got;
    try {
      got = await get('room', { room, n: page });
    } catch (err) {
      if (err.code === 'signed_out') this.on.signedOut();
      else if (err.again && this.room === room) { clearTimeout(this.later); this.later = setTimeout(() => this.sync(), Math.max(err.wait, 2000)); }
      else if (err.code === 'not_found') this.on.gone?.(room);
      return;
    }
    if (this.room !== room) { this.again = true; return; }
    const first = this.log.lines.size === 0;
    const newest = this.log.newest();
    if (!first && got.lines.length && later(got.lines[0].id, newest)) this.log.clear(room); // more was missed than one page
    if (first || this.log.lines.size === 0) this.more = got.more;
    this.show(got.room);
    this.log.put(got.lines, first);
    const waits = this.outbox.of(room);
    this.log.keep(waits.map((i) => i.id)); // a command is taken, and is no part of the history
    for (const item of waits) this.log.waiting(item);
    if (first) this.log.toEnd();
    $('older').hidden = !this.more;
    this.receipts();
  }
  show(view) {
    this.view = view;
    $('peer').textContent = view.name;
    $('label').textContent = labelOf(view);
    $('window').textContent = view.window || '';
    $('window').hidden = !view.window;
    $('peer-avatar').replaceWith(Object.assign(avatar(view.name), { id: 'peer-avatar' }));
    const asks = view.asks || [];
    const text = view.state === 'active' || (view.state === 'asked' && asks.some((a) => a.request)) ? '' : t(`talk_${view.state}`);
    if ($('banner').textContent !== text) $('banner').textContent = text;
    $('banner').hidden = !text;
    this.asks(asks);
    this.composer.open(view.room, this.writable() && !asks.some((a) => a.request));
    this.on.room(view);
  }
  asks(list) {
    const key = JSON.stringify(list);
    if (this.asked === key && $('asks').children.length === list.length) return;
    this.asked = key;
    $('asks').replaceChildren(...list.map((a) => h('section', { class: 'ask', 'data-testid': 'ask' },
      h('p', {}, a.request ? h('strong', {}, `${this.view.name} ${t('request')}`) : a.text),
      a.request && this.view.hello && h('p', { class: 'hello', 'data-testid': 'hello' }, this.view.hello),
      h('div', { class: 'choices' }, a.choices.map((c) => h('button', {
        type: 'button', class: c.style === 'primary' ? 'primary' : c.style === 'danger' ? 'danger' : null,
        'data-testid': a.request ? c.id : 'choice', 'data-choice': c.id, onclick: (e) => this.answer(a, c, e.currentTarget),
      }, a.request && ['accept', 'decline'].includes(c.id) ? t(c.id) : c.label || c.id))))));
  }
  async answer(ask, choice, button) {
    const all = [...button.closest('.ask').querySelectorAll('button')];
    for (const b of all) b.disabled = true;
    try {
      await post('answer', { room: this.room, ask: ask.id, choice: choice.id });
    } catch (err) {
      this.composer.problem(err.code === 'refused' ? t('error_ask') : t('error_action'));
      for (const b of all) b.disabled = false;
    }
    await this.sync();
    if (!$('composer').hidden) $('text').focus();
  }
  async older() {
    if (this.reading || !this.more || !this.log.oldest()) return;
    this.reading = true;
    const room = this.room;
    try {
      const got = await get('room', { room, before: this.log.oldest(), n: page });
      if (this.room !== room) return;
      this.more = got.more;
      this.log.put(got.lines, 'older');
      $('older').hidden = !this.more;
    } catch { /* the button is still there */ } finally { this.reading = false; }
  }

  say(item) {
    this.outbox.add(item);
    this.log.waiting(item);
    this.log.toEnd();
  }
  posted(item) {
    if (item.room !== this.room) return;
    if (item.stored) this.sync();
    else this.log.waiting(item);
  }
  /** act does something to a message of the history and shows what became of it. */
  async act(name, line, more = {}) {
    const room = this.room;
    this.composer.problem('');
    try {
      await post(name, { room, msg: line.msg, ...more });
    } catch (err) {
      if (err.code === 'signed_out') this.on.signedOut();
      else this.composer.problem(err.text || t('error_action'));
      return false;
    }
    await this.line(room, line.msg);
    return true;
  }
  async line(room, msg) {
    try {
      const l = await get('line', { room, msg });
      if (this.room === room && this.log.lines.has(l.id)) this.log.put([l]);
    } catch { /* it is not ours to see, or the next event brings it */ }
  }

  // Live events of the open room.
  async said(e) {
    if (e.room !== this.room) return;
    if (!e.own) $('typing').textContent = '';
    if (e.notice) {
      this.log.say(e.text, e.msg);
      this.sync(); // what it tells of may have changed the conversation
    }
    const here = () => this.room !== e.room || this.log.byMsg(e.msg) || e.notice;
    // The history knows the message before this event comes, and what it is called here a moment after.
    for (const wait of [20, 100, 350, 1200, 4000]) {
      await new Promise((done) => setTimeout(done, wait));
      if (here()) return;
      await this.sync();
    }
    if (!here() && !e.own) this.log.say(`${e.as}: ${e.text}`, e.msg);
  }
  changed(e) {
    if (e.room === this.room && e.msg) this.line(e.room, e.msg);
    if (e.room === this.room) this.sync();
  }
  marked(e) { if (e.room === this.room) this.log.mark(e.msg, e.state, e.reason); }
  typing(e) {
    if (e.room !== this.room || !this.view) return;
    $('typing').textContent = t('typing', this.view.name);
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => { $('typing').textContent = ''; }, 5000);
  }
  hint(e) { if (e.room === this.room) this.log.say(e.text); }

  /** receipts says how far the user has read, when they are looking. */
  receipts() {
    if (!this.room || !this.view) return;
    let last = null;
    for (const l of this.log.lines.values()) if (!l.mine && l.msg && (!last || later(l.id, last.id))) last = l;
    if (!last) return;
    const looking = document.visibilityState === 'visible' && document.hasFocus() && this.log.atEnd();
    this.receipt(this.room, last, looking ? 'read' : 'delivered');
  }
  receipt(room, line, state) {
    const before = this.seen[state].get(room) || (state === 'read' && this.view?.room === room && this.view.read) || '';
    if (!later(line.id, before)) return;
    if (state === 'delivered' && !later(line.id, this.seen.read.get(room) || this.view?.read || '')) return;
    this.seen[state].set(room, line.id);
    post('seen', { room, msg: line.msg, state })
      .then(() => { if (state === 'read') this.on.read?.(room, line.id); })
      .catch((err) => { if (err.again) setTimeout(() => { this.seen[state].delete(room); this.receipts(); }, Math.max(err.wait, 3000)); });
  }
}
