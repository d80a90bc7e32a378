// One message as a row of the log.

import { h, icon } from './dom.js';
import { t, time, moment, size } from './words.js';
import { fileURL } from './api.js';
import { render, plain, jumbo } from './markup.js';

const shown = ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'];
const ticks = { queued: 'clock', pending: 'clock', held: 'clock', sent: 'check', delivered: 'checks', read: 'checks', unknown: 'alert', failed: 'alert', cancelled: 'alert' };
const bad = ['failed', 'unknown', 'cancelled'];

/** excerpt is a message in a few words. */
export const excerpt = (l) => plain((l.text || '').slice(0, 300)) || l.files?.map((f) => f.name).join(', ') || '';

export function tick(state) {
  const known = ticks[state] ? state : 'pending';
  return h('span', { class: 'tick', 'data-testid': 'tick', 'data-state': known, title: t(`state_${known}`) },
    icon(ticks[known]), h('span', { class: 'unseen' }, t(`state_${known}`)));
}

function file(room, line, f, i) {
  const src = f.url || (line.id && fileURL(room, line.id, i));
  if (src && shown.includes(f.type)) {
    return h('a', { class: 'picture', href: src, target: '_blank', rel: 'noopener', 'data-testid': 'image' },
      h('img', { src, alt: f.name || t('images_none'), loading: 'lazy', decoding: 'async' }));
  }
  const kids = [icon('file'), h('span', {}, f.name || t('file'), h('small', {}, f.size ? size(f.size) : ''))];
  if (!line.id) return h('span', { class: 'document', 'data-testid': 'document' }, ...kids);
  return h('a', { class: 'document', href: fileURL(room, line.id, i, true), download: f.name || '', 'aria-label': t('save', f.name), 'data-testid': 'document' }, ...kids);
}

function quote(line, find, jump) {
  const other = find(line);
  if (!other) return line.reply_to ? h('span', { class: 'quote' }, t('reply_gone')) : null;
  return h('button', { class: 'quote', type: 'button', 'data-testid': 'quote', onclick: () => jump(other) },
    h('b', {}, other.mine ? t('me') : other.as), h('span', {}, other.recalled ? '…' : excerpt(other)));
}

function words(line) {
  if (!line.text) return null;
  const body = h('div', { class: 'words', 'data-testid': 'text' });
  if (jumbo(line.text)) body.append(h('span', { class: 'jumbo' }, line.text));
  else body.append(render(line.text));
  return body;
}

function reactions(line, can) {
  if (!line.reactions?.length) return null;
  const by = new Map();
  for (const r of line.reactions) {
    const one = by.get(r.emoji) || { n: 0, mine: false };
    by.set(r.emoji, { n: one.n + 1, mine: one.mine || r.mine });
  }
  return h('div', { class: 'reactions', 'data-testid': 'reactions' }, [...by].map(([emoji, r]) => h('button', {
    type: 'button', 'aria-pressed': String(r.mine), 'aria-label': t('react', emoji), onclick: () => can.react(line, emoji, r.mine),
  }, emoji, r.n > 1 && h('span', {}, String(r.n)))));
}

function why(line, can) {
  const failed = bad.includes(line.state);
  if (!line.mine || !(failed || (line.state === 'held' && line.reason))) return null;
  return h('p', { class: `reason${failed ? ' bad' : ''}`, 'data-testid': 'reason' },
    failed ? `${t(`state_${line.state}`)}${line.reason ? `: ${line.reason}` : ''}` : line.reason,
    line.queued && failed && h('button', { class: 'plain', type: 'button', 'data-testid': 'retry', onclick: () => can.retry(line) }, t('retry')),
    line.queued && failed && h('button', { class: 'plain', type: 'button', onclick: () => can.drop(line) }, t('cancel')));
}

/** lineRow makes the row of a line, or of one that waits here (line.queued). can are the actions. */
export function lineRow(room, line, can) {
  const row = h('li', {
    class: `line${line.mine ? ' mine' : ''}${line.recalled ? ' recalled' : ''}${line.note ? ' note' : ''}`, tabindex: '-1',
    'data-testid': 'message', 'data-id': line.id || null, 'data-msg': line.msg || null, 'data-mine': String(line.mine), 'data-state': line.state || null,
  });
  const bubble = h('div', { class: 'bubble' }, h('span', { class: 'unseen' }, `${line.mine ? t('me') : line.as}: `));
  if (line.recalled) {
    bubble.append(line.mine ? t('recalled_mine') : t('recalled_other', line.as));
  } else {
    const files = line.files?.length ? h('div', { class: 'files' }, line.files.map((f, i) => file(room, line, f, i))) : null;
    bubble.append(...[quote(line, can.replied, can.jump), files, words(line)].filter(Boolean));
  }
  const act = !line.recalled && !line.queued && line.msg && h('button', {
    class: 'icon act', type: 'button', 'aria-label': `${t('actions')}: ${excerpt(line).slice(0, 60)}`, 'aria-haspopup': 'menu', 'aria-expanded': 'false',
    'data-testid': 'actions', onclick: (e) => can.menu(line, row, e.currentTarget),
  }, icon('more'));
  row.append(h('div', { class: 'line-row' }, ...[bubble, act].filter(Boolean)));
  const parts = [
    !line.recalled && reactions(line, can), why(line, can),
    h('div', { class: 'meta' },
      line.edited && !line.recalled && h('span', { 'data-testid': 'edited' }, t('edited')),
      h('time', { datetime: new Date(line.at).toISOString(), title: moment(line.at) }, time(line.at)),
      line.note && h('span', { 'data-testid': 'note' }, t('note')),
      line.mine && !line.recalled && !line.note && tick(line.state)),
  ];
  row.append(...parts.filter(Boolean));
  return row;
}

/** notice is something that the gateway says; it is not part of the history. */
export const notice = (text) => h('li', { class: 'notice', 'data-testid': 'notice' }, render(text));
