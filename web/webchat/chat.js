// The customer's page: a conversation for each employee.

import { h, $, icon } from '../shared/dom.js';
import { boot, t } from '../shared/words.js';
import { ulid } from '../shared/api.js';
import { Shell } from '../shared/shell.js';
import { tellParent } from './embed.js';

let view = null;

const verify = h('a', { target: '_blank', rel: 'noopener', 'data-testid': 'verify-link' }, t('verify_link'));
const leave = h('button', {
  class: 'plain danger', type: 'button', 'data-testid': 'leave',
  onclick: async () => {
    more.open = false;
    if (view && confirm(t('leave_sure')) && await shell.tell('leave', { room: view.room, id: ulid() })) shell.talk.sync();
  },
}, t('leave'));
const more = h('details', { class: 'more' }, h('summary', { class: 'icon', 'aria-label': t('actions'), 'data-testid': 'more' }, icon('more')),
  h('div', { class: 'sheet' }, verify, leave));
$('head-actions').append(more);
document.addEventListener('click', (e) => { if (!more.contains(e.target)) more.open = false; });
more.addEventListener('keydown', (e) => { if (e.key === 'Escape' && more.open) { e.preventDefault(); more.open = false; more.firstElementChild.focus(); } });

const shell = new Shell({
  groups: (list) => [{ title: '', rooms: list }],
  none: () => h('div', { class: 'none', 'data-testid': 'empty' }, h('h2', {}, t('empty')), h('p', {}, t('empty_text'))),
  open(v) {
    view = v;
    verify.hidden = !v.verify;
    if (v.verify) verify.href = `/verify/${encodeURIComponent(v.verify)}`;
    leave.hidden = !['active', 'asked'].includes(v.state);
  },
  closed() { view = null; },
  shown(list, unread) {
    // Who talks to one employee only needs no list.
    const single = list.length === 1 && shell?.talk.room === list[0].room;
    document.body.classList.toggle('single', single);
    const language = document.querySelector('.language');
    const home = single ? more.querySelector('.sheet') : document.querySelector('.side-head');
    if (language.parentElement !== home) home.append(language);
    tellParent('unread', unread);
  },
});

shell.start((rooms) => boot.room || (rooms.length === 1 ? rooms[0] : ''));
