// What both pages are: a list of conversations beside the open one, kept true by live events.

import { h, $ } from './dom.js';
import { boot, t } from './words.js';
import { get, post, later } from './api.js';
import { connect } from './live.js';
import { Talk } from './talk.js';
import { showRooms, sortRooms } from './rooms.js';

export class Shell {
  /** page.groups(rooms) sorts the list into groups, page.open(view) draws the page's own parts. */
  constructor(page) {
    this.page = page;
    this.rooms = new Map();
    this.title = document.title;
    this.talk = new Talk({
      room: (view) => this.viewed(view),
      read: (room, id) => this.read(room, id),
      gone: () => this.close(),
      signedOut: () => this.signedOut(),
    });
    $('back').addEventListener('click', () => this.close());
    addEventListener('popstate', () => this.follow());
    addEventListener('keydown', (e) => { if (e.key === 'Escape' && !e.defaultPrevented && this.talk.room && matchMedia('(max-width: 760px)').matches) this.close(); });
    connect({
      online: (yes) => this.online(yes),
      reset: () => { this.load(); this.talk.sync(); },
      line: (e) => { this.talk.said(e); this.soon(e); },
      edited: (e) => this.talk.changed(e),
      deleted: (e) => { this.talk.changed(e); this.soon(e); },
      reacted: (e) => this.talk.changed(e),
      mark: (e) => this.talk.marked(e),
      typing: (e) => this.talk.typing(e),
      hint: (e) => this.talk.hint(e),
      room: (e) => { if (e.room === this.talk.room) this.talk.sync(); this.soon(e); },
    });
  }
  /** start opens the conversation that the address names, else the one that pick(rooms) chooses. */
  async start(pick = () => '') {
    await this.load();
    const first = new URLSearchParams(location.hash.slice(1)).get('r') || pick([...this.rooms.keys()]);
    if (first && this.rooms.has(first)) this.open(first, { replace: true, quiet: true });
    else this.show();
  }
  online(yes) {
    $('offline').hidden = yes;
    $('offline').textContent = yes ? '' : t('offline');
    if (yes) this.talk.outbox.flush();
  }
  signedOut() {
    $('offline').hidden = false;
    $('offline').replaceChildren(t('signed_out'), ' ', h('a', { href: boot.base }, t('retry')));
  }
  /** load reads the list. */
  async load() {
    try {
      const got = await get('rooms');
      this.rooms = new Map(got.rooms.map((r) => [r.room, r]));
    } catch (err) {
      if (err.code === 'signed_out') { this.signedOut(); return; }
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.load(), Math.max(err.wait || 0, 3000));
      if (this.rooms.size === 0) return;
    }
    this.show();
  }
  /** soon reads the list a moment later, once for several events, and says that news has arrived. */
  soon() {
    clearTimeout(this.listing);
    this.listing = setTimeout(async () => {
      await this.load();
      for (const r of [...this.rooms.values()].filter((v) => v.unread && v.last?.msg && v.room !== this.talk.room).slice(0, 20)) {
        this.talk.receipt(r.room, r.last, 'delivered');
      }
    }, 350);
  }
  show() {
    const list = sortRooms(this.rooms.values());
    showRooms($('rooms'), this.page.groups(list), this.talk.room, (room) => this.open(room), this.page.none());
    const unread = list.filter((r) => r.unread).length;
    document.title = unread ? `(${unread}) ${this.title}` : this.title;
    $('nowhere').hidden = !!this.talk.room;
    $('talk').hidden = !this.talk.room;
    $('frame').classList.toggle('open', !!this.talk.room);
    this.page.shown?.(list, unread);
  }
  async open(room, how = {}) {
    if (!how.same) history[how.replace ? 'replaceState' : 'pushState'](null, '', `${location.pathname}${location.search}#${new URLSearchParams({ r: room })}`);
    const opening = this.talk.open(room);
    this.show();
    await opening;
    if (this.talk.room !== room || how.quiet) return;
    if (matchMedia('(hover: hover)').matches && !$('composer').hidden) $('text').focus();
    else $('peer').focus();
  }
  close() {
    const room = this.talk.room;
    this.talk.close();
    history.replaceState(null, '', location.pathname + location.search);
    this.page.closed?.();
    this.show();
    if (room) document.querySelector(`[data-room="${CSS.escape(room)}"]`)?.focus();
  }
  /** follow goes where the browser's back and forward lead. */
  follow() {
    const room = new URLSearchParams(location.hash.slice(1)).get('r') || '';
    if (room === this.talk.room) return;
    if (room && this.rooms.has(room)) this.open(room, { same: true });
    else if (!room) this.close();
  }
  viewed(view) {
    const old = this.rooms.get(view.room);
    this.rooms.set(view.room, { ...view, unread: view.unread && !(old && !old.unread && old.last?.id === view.last?.id) });
    this.page.open(view);
    this.show();
  }
  read(room, id) {
    const r = this.rooms.get(room);
    if (!r || !r.last || later(r.last.id, id)) return;
    this.rooms.set(room, { ...r, unread: false, read: id });
    this.show();
  }
  async tell(name, body) {
    try {
      await post(name, body);
      return true;
    } catch (err) {
      if (err.code === 'signed_out') this.signedOut();
      else this.talk.composer.problem(t('error_action'));
      return false;
    }
  }
}
