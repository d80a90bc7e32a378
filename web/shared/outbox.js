// What was typed and is not stored at the gateway yet. It survives a reload; each message keeps its
// name, so that one that arrived though its answer was lost is not said twice.

import { boot, t } from './words.js';
import { post, upload, Trouble } from './api.js';

const key = `hutong.outbox.${boot.base}.${boot.user}`;
const draftKey = (room) => `hutong.draft.${boot.base}.${boot.user}.${room}`;

const read = (k) => { try { return JSON.parse(localStorage.getItem(k)); } catch { return null; } };
const write = (k, v) => { try { localStorage.setItem(k, JSON.stringify(v)); } catch { /* full or forbidden: kept in memory */ } };

export const draft = (room) => read(draftKey(room)) || '';
export const keepDraft = (room, text) => {
  if (text) write(draftKey(room), text);
  else try { localStorage.removeItem(draftKey(room)); } catch { /* forbidden: nothing was kept */ }
};

/** forgetAll removes what this user left in the browser, when they sign out. */
export function forgetAll() {
  try {
    for (const k of Object.keys(localStorage)) {
      if (k === key || k.startsWith(draftKey(''))) localStorage.removeItem(k);
    }
  } catch { /* forbidden: nothing was kept */ }
}

/** Outbox posts items {id, room, text, reply_to, files} in order. changed(item) is called when one has
    failed, been stored (item.stored) or waits again; signedOut() when the session is over. */
export class Outbox {
  constructor(changed, signedOut) {
    this.changed = changed;
    this.signedOut = signedOut;
    this.items = read(key) || [];
    this.pause = 1000;
    this.busy = false;
    addEventListener('online', () => this.flush());
  }
  of(room) { return this.items.filter((i) => i.room === room); }
  save() {
    write(key, this.items.map((i) => ({ ...i, files: i.files?.map(({ blob, url, ...f }) => f) })));
  }
  add(item) {
    this.items.push(item);
    this.save();
    this.flush();
  }
  remove(id) {
    for (const f of this.items.find((i) => i.id === id)?.files || []) if (f.url) URL.revokeObjectURL(f.url);
    this.items = this.items.filter((i) => i.id !== id);
    this.save();
  }
  retry(id) {
    const item = this.items.find((i) => i.id === id);
    if (!item) return;
    delete item.failed;
    this.save();
    this.changed(item);
    this.flush();
  }
  async flush() {
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.timer);
    try {
      for (let item; (item = this.items.find((i) => !i.failed && !i.stored));) await this.send(item);
      this.pause = 1000;
    } catch (err) {
      if (err.code === 'signed_out') this.signedOut();
      else {
        this.timer = setTimeout(() => this.flush(), Math.max(err.wait || 0, this.pause));
        this.pause = Math.min(this.pause * 2, 30000);
      }
    } finally {
      this.busy = false;
    }
  }
  async send(item) {
    try {
      for (const f of item.files || []) {
        if (f.token) continue;
        if (!f.blob) throw new Trouble('refused', t('error_file_again'));
        f.token = (await upload(f.blob)).token;
        this.save();
      }
      await post('say', {
        room: item.room, id: item.id, text: item.text, reply_to: item.reply_to || '', files: (item.files || []).map((f) => f.token),
      });
      item.stored = true;
    } catch (err) {
      if (!(err instanceof Trouble) || err.again || err.code === 'signed_out') {
        this.changed(item);
        throw err;
      }
      item.failed = err.text || t('error_refused');
    }
    if (item.stored) this.items = this.items.filter((i) => i !== item);
    this.save();
    this.changed(item);
  }
}
