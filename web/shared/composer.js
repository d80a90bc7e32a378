// Where a message is written: text, files, what it answers or changes. Drafts are kept per conversation.

import { h, $, icon } from './dom.js';
import { boot, t, size } from './words.js';
import { ulid, post } from './api.js';
import { draft, keepDraft } from './outbox.js';
import { excerpt } from './lines.js';

const maxFiles = 10;

export class Composer {
  /** say(item) takes a message; change(line, text) an edit, as a promise. */
  constructor(say, change) {
    this.say = say;
    this.change = change;
    this.form = $('composer');
    this.text = $('text');
    this.files = [];
    this.typed = 0;
    this.form.addEventListener('submit', (e) => { e.preventDefault(); this.submit(); });
    this.text.addEventListener('input', () => this.input());
    this.text.addEventListener('keydown', (e) => this.key(e));
    this.text.addEventListener('paste', (e) => { if (e.clipboardData.files.length) { e.preventDefault(); this.add(e.clipboardData.files); } });
    $('file').addEventListener('change', (e) => { this.add(e.target.files); e.target.value = ''; });
    $('context-close').addEventListener('click', () => { this.plain(); this.text.focus(); });
    addEventListener('dragover', (e) => { if (!this.form.hidden && this.room) { e.preventDefault(); document.body.classList.add('dropping'); } });
    addEventListener('dragleave', (e) => { if (!e.relatedTarget) document.body.classList.remove('dropping'); });
    addEventListener('drop', (e) => { e.preventDefault(); document.body.classList.remove('dropping'); if (!this.form.hidden && this.room) this.add(e.dataTransfer.files); });
  }
  open(room, writable) {
    if (this.room !== room) {
      this.plain();
      this.room = room;
      this.files = [];
      this.text.value = draft(room);
      this.problem('');
      this.show();
      this.grow();
    }
    this.form.hidden = !writable;
  }
  problem(text) { $('problem').textContent = text; }
  key(e) {
    if (e.key === 'Escape' && (this.editing || this.answering)) { e.preventDefault(); e.stopPropagation(); this.plain(); }
    // On a phone Enter makes a line; the button sends. While Chinese is composed, Enter belongs to the input method.
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && e.keyCode !== 229 && matchMedia('(hover: hover)').matches) { e.preventDefault(); this.submit(); }
  }
  input() {
    this.grow();
    this.problem('');
    if (!this.editing) keepDraft(this.room, this.text.value);
    const now = Date.now();
    if (!this.editing && this.text.value && now - this.typed > 3000) {
      this.typed = now;
      post('typing', { room: this.room }).catch(() => {}); // of the moment: not worth a word
    }
  }
  grow() {
    this.text.style.height = 'auto';
    if (this.text.value) this.text.style.height = `${this.text.scrollHeight}px`;
  }
  add(files) {
    this.problem('');
    for (const f of files) {
      if (this.editing) break;
      if (f.size > boot.max_file) { this.problem(t('error_file_large', f.name, size(boot.max_file))); continue; }
      if (this.files.length >= maxFiles) { this.problem(t('error_files_many', maxFiles)); break; }
      this.files.push({ name: f.name, type: f.type, size: f.size, blob: f, url: f.type.startsWith('image/') ? URL.createObjectURL(f) : '' });
    }
    this.show();
    this.text.focus();
  }
  show() {
    $('chosen').hidden = !this.files.length;
    $('chosen').replaceChildren(...this.files.map((f, i) => h('li', {},
      f.url ? h('img', { src: f.url, alt: '' }) : null, h('span', {}, f.name), h('small', { class: 'muted' }, size(f.size)),
      h('button', { class: 'icon', type: 'button', 'aria-label': t('remove_file', f.name), onclick: () => { this.files.splice(i, 1); this.show(); this.text.focus(); } }, icon('close')))));
  }
  context(text) {
    $('context').hidden = !text;
    $('context-text').textContent = text || '';
  }
  reply(line) {
    this.plain();
    this.answering = line;
    this.context(`${t('reply_to', line.mine ? t('me') : line.as)}: ${excerpt(line)}`);
    this.text.focus();
  }
  edit(line) {
    this.plain();
    this.editing = line;
    this.text.value = line.text;
    this.context(t('editing'));
    this.grow();
    this.text.focus();
  }
  /** plain ends answering and editing; what was being written before comes back. */
  plain() {
    if (this.editing) { this.text.value = draft(this.room); this.grow(); }
    this.editing = this.answering = null;
    this.context('');
  }
  async submit() {
    const text = this.text.value.replace(/\s+$/, '').replace(/^\n+/, '');
    const over = [...text].length - boot.max_text;
    if (over > 0) { this.problem(t('error_too_long', over)); return; }
    if (this.editing) {
      const line = this.editing;
      if (!text) return;
      if (text === line.text || await this.change(line, text)) { this.plain(); this.text.focus(); }
      return;
    }
    if (!text.trim() && !this.files.length) return;
    const now = Date.now();
    this.say({ id: ulid(now), at: now, room: this.room, text: text.trim() ? text : '', reply_to: this.answering?.msg, files: this.files });
    this.files = [];
    this.text.value = '';
    keepDraft(this.room, '');
    this.typed = 0;
    this.plain();
    this.show();
    this.grow();
    this.text.focus();
  }
}
