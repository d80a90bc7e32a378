// The log of one conversation: rows in the order of their ids, what waits in the outbox at the end,
// notices where they came. It knows nothing of the network.

import { h, $ } from './dom.js';
import { day, dayKey } from './words.js';
import { later } from './api.js';
import { lineRow, notice, tick } from './lines.js';
import { closeMenu } from './menu.js';

const rank = { queued: 0, pending: 0, held: 1, unknown: 2, failed: 2, cancelled: 2, sent: 3, delivered: 4, read: 5 };

export class Log {
  constructor(can) {
    this.can = can;
    this.el = $('log');
    this.list = $('lines');
    this.down = $('down');
    this.clear('');
    this.el.addEventListener('scroll', () => { if (this.atEnd()) this.down.hidden = true; }, { passive: true });
    this.down.addEventListener('click', () => this.toEnd());
  }
  clear(room) {
    this.room = room;
    this.lines = new Map(); // by id
    this.msgs = new Map(); // msg → id
    this.rows = new Map(); // id, or msg of what waits → row
    this.list.replaceChildren();
    this.down.hidden = true;
  }
  atEnd() { return this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight < 80; }
  toEnd() { this.el.scrollTop = this.el.scrollHeight; this.down.hidden = true; }
  byMsg(msg) { return this.lines.get(this.msgs.get(msg)); }
  newest() { let id = ''; for (const k of this.lines.keys()) if (later(k, id)) id = k; return id; }
  oldest() { let id; for (const k of this.lines.keys()) if (!id || later(id, k)) id = k; return id || ''; }

  /** put shows lines, new or changed; it keeps the reader's place. quiet: they are old, not said now. */
  put(lines, quiet) {
    const end = this.atEnd();
    const height = this.el.scrollHeight;
    let news = false;
    this.el.setAttribute('aria-busy', String(!!quiet));
    for (const line of lines) {
      const old = this.lines.get(line.id);
      if (old && JSON.stringify(old) === JSON.stringify(line)) continue;
      this.lines.set(line.id, line);
      if (line.msg) {
        this.msgs.set(line.msg, line.id);
        this.drop(line.msg); // it waited here until now
      }
      if (!old) news = true;
      this.place(line.id, lineRow(this.room, line, this.can));
    }
    this.days();
    if (quiet === 'older') this.el.scrollTop += this.el.scrollHeight - height;
    else if (end || quiet) this.toEnd();
    else if (news) this.down.hidden = false;
    if (quiet) requestAnimationFrame(() => this.el.setAttribute('aria-busy', 'false'));
  }
  /** waiting shows an item of the outbox at the end. */
  waiting(item) {
    const end = this.atEnd();
    const line = {
      msg: item.id, mine: true, at: item.at, text: item.text, files: item.files, queued: true,
      state: item.failed ? 'failed' : 'queued', reason: item.failed, reply_msg: item.reply_to,
    };
    if (!this.byMsg(item.id)) this.place(item.id, lineRow(this.room, line, this.can), '~');
    this.days();
    if (end) this.toEnd();
  }
  /** say shows a notice; should the history bring a line of that name, the line takes its place. */
  say(text, msg) {
    const end = this.atEnd();
    this.place(msg || `notice ${Math.random()}`, notice(text), this.newest());
    if (end) this.toEnd();
  }
  /** keep takes away what waited here and does not any more. */
  keep(ids) {
    for (const [key, row] of this.rows) if (row.dataset.order === '~' && !ids.includes(key)) this.drop(key);
  }
  drop(key) {
    this.rows.get(key)?.remove();
    this.rows.delete(key);
  }
  /** place puts a row where its order says: an id, or "~", which is after all ids. */
  place(key, row, order = key) {
    const old = this.rows.get(key);
    this.rows.set(key, row);
    row.dataset.order = order;
    if (old) {
      const focused = old.contains(document.activeElement);
      if (old.querySelector('.menu')) closeMenu();
      old.replaceWith(row);
      if (focused) row.focus({ preventScroll: true });
      return;
    }
    const after = (a, b) => (a === '~' ? b !== '~' : b !== '~' && later(a, b));
    let before = this.list.lastElementChild;
    while (before && (before.dataset.order === undefined || after(before.dataset.order, order))) before = before.previousElementSibling;
    if (before) before.after(row);
    else this.list.prepend(row);
  }
  /** days heads each day and draws lines of one person in one minute together. */
  days() {
    for (const d of this.list.querySelectorAll('.day')) d.remove();
    let last = '';
    let near = '';
    for (const row of [...this.list.children]) {
      const at = row.querySelector('time')?.dateTime;
      if (!at) { near = ''; continue; }
      const ms = Date.parse(at);
      if (dayKey(ms) !== last) row.before(h('li', { class: 'day' }, day(ms)));
      const now = `${dayKey(ms)} ${row.dataset.mine} ${Math.floor(ms / 120000)}`;
      row.classList.toggle('near', now === near);
      last = dayKey(ms);
      near = now;
    }
  }
  /** mark shows what became of a message; delivered and read count for what was said before it too. */
  mark(msg, state, reason) {
    const line = this.byMsg(msg);
    if (!line) return;
    const all = rank[state] >= 4 ? [...this.lines.values()].filter((l) => l.mine && !later(l.id, line.id) && rank[l.state] >= 3) : [];
    for (const l of new Set([line, ...all])) {
      if (!(rank[state] > rank[l.state] || l === line)) continue;
      const next = { ...l, state, reason: l === line ? reason : l.reason };
      this.lines.set(l.id, next);
      const row = this.rows.get(l.id);
      const old = row?.querySelector('.tick');
      if (!old || ['held', 'failed', 'unknown', 'cancelled'].includes(state) || row.querySelector('.reason')) this.place(l.id, lineRow(this.room, next, this.can));
      else { old.replaceWith(tick(state)); row.dataset.state = state; }
    }
    this.days();
  }
  /** replied is the line that a line answers. */
  replied(line) {
    if (line.reply_to) return this.lines.get(line.reply_to);
    return line.reply_msg ? this.byMsg(line.reply_msg) : undefined;
  }
  jump(line) {
    const row = this.rows.get(line.id);
    row?.scrollIntoView({ block: 'center', behavior: 'smooth' });
    row?.focus({ preventScroll: true });
  }
}
