// The list of conversations.

import { h, icon, avatar } from './dom.js';
import { boot, t, when } from './words.js';
import { plain } from './markup.js';

/** labelOf is who somebody is, without the name that stands beside it. A customer also reads what kind
    of contact an employee is. */
export function labelOf(room) {
  const name = `${room.name} · `;
  const label = room.label?.startsWith(name) ? room.label.slice(name.length) : room.label || '';
  const kind = boot.words.contact_kind;
  return kind && !/企业联系人|business contact/i.test(label) ? [kind, label].filter(Boolean).join(' · ') : label;
}

function preview(room) {
  const l = room.last;
  if (!l) return room.hello || '';
  if (l.recalled) return l.mine ? t('recalled_mine') : t('recalled_other', room.name);
  const text = plain((l.text || '').slice(0, 200)) || (l.files?.length ? `[${l.files[0].type?.startsWith('image/') ? t('images_none') : t('file')}] ${l.files[0].name}` : '');
  return l.mine ? `${t('me')}: ${text}` : text;
}

function row(room, current, open) {
  const last = room.last?.at || room.since;
  return h('li', {}, h('button', {
    class: `room${room.unread ? ' unread' : ''}`, type: 'button', onclick: () => open(room.room), 'aria-current': room.room === current ? 'true' : null,
    'data-testid': 'room', 'data-room': room.room, 'data-state': room.state,
  },
  avatar(room.name),
  h('span', { class: 'room-text' },
    h('span', { class: 'room-name' }, h('b', {}, room.name)),
    h('span', { class: 'label' }, labelOf(room)),
    h('span', { class: 'last' }, preview(room))),
  h('span', { class: 'when' },
    h('time', {}, last > 0 ? when(last) : ''),
    room.unread && h('span', { class: 'dot', 'data-testid': 'unread' }, h('span', { class: 'unseen' }, t('unread'))),
    room.pinned && h('span', { class: 'pin' }, icon('pin'), h('span', { class: 'unseen' }, t('pinned'))))));
}

/** showRooms fills the list: groups are [{title, rooms}]. The focus stays where it was. */
export function showRooms(el, groups, current, open, none) {
  const focused = document.activeElement?.dataset?.room;
  const scroll = el.scrollTop;
  const parts = groups.filter((g) => g.rooms.length).flatMap((g) => [
    g.title && h('h2', {}, g.title),
    h('ul', { 'aria-label': g.title || t('conversations') }, g.rooms.map((r) => row(r, current, open))),
  ]).filter(Boolean);
  el.replaceChildren(...(parts.length ? parts : [none]));
  el.scrollTop = scroll;
  if (focused) el.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

const order = (r) => r.last?.at || r.since || 0;

/** sortRooms puts pinned ones first, then the newest. */
export const sortRooms = (rooms) => [...rooms].sort((a, b) => (b.pinned ? 1 : 0) - (a.pinned ? 1 : 0) || order(b) - order(a));
