// The desk: a member's customers, and what is known of each.

import { h, $, icon, avatar } from '../shared/dom.js';
import { boot, t, moment } from '../shared/words.js';
import { forgetAll } from '../shared/outbox.js';
import { labelOf } from '../shared/rooms.js';
import { Shell } from '../shared/shell.js';

let wanted = '';
let view = null;

const fold = (s) => (s || '').toLocaleLowerCase();
const fits = (r) => [r.name, r.label, r.remark, ...(r.tags || [])].some((s) => fold(s).includes(wanted));

const shell = new Shell({
  groups(list) {
    const rooms = wanted ? list.filter(fits) : list;
    const asked = rooms.filter((r) => r.state === 'asked');
    return [
      { title: asked.length ? t('requests') : '', rooms: asked },
      { title: asked.length ? t('conversations') : '', rooms: rooms.filter((r) => r.state !== 'asked') },
    ];
  },
  none: () => (wanted
    ? h('p', { class: 'none' }, t('found_none'))
    : h('div', { class: 'none', 'data-testid': 'empty' }, h('h2', {}, t('empty')), h('p', {}, t('empty_text')))),
  open(v) {
    view = v;
    pin.setAttribute('aria-pressed', String(!!v.pinned));
    pin.setAttribute('aria-label', v.pinned ? t('unpin') : t('pin'));
    if (!$('about').hidden) about();
  },
  closed() { view = null; toggle(false); },
});

const pin = h('button', {
  class: 'icon', type: 'button', 'data-testid': 'pin',
  onclick: async () => { if (view && await shell.tell('pin', { room: view.room, on: !view.pinned })) shell.talk.sync(); },
}, icon('pin'));
const info = h('button', {
  class: 'icon', type: 'button', 'aria-label': t('card'), 'aria-expanded': 'false', 'aria-controls': 'about', 'data-testid': 'about-open', onclick: () => toggle($('about').hidden),
}, icon('info'));
$('head-actions').append(pin, info);

function toggle(on) {
  $('about').hidden = !on;
  info.setAttribute('aria-expanded', String(on));
  if (!on || !view) return;
  about();
  $('about').querySelector('button').focus();
}

function about() {
  const item = (key, ...kids) => [h('dt', {}, t(key)), h('dd', {}, ...kids)];
  const network = `network_${view.network}`;
  $('about').replaceChildren(
    h('div', { class: 'about-head' }, h('h2', {}, t('card')),
      h('button', { class: 'icon', type: 'button', 'aria-label': t('close'), onclick: () => { toggle(false); info.focus(); } }, icon('close'))),
    h('div', { class: 'about-who' }, avatar(view.name), h('b', {}, view.name), h('span', { class: 'label', 'data-testid': 'about-label' }, labelOf(view))),
    h('dl', {}, [
      view.remark && item('card_remark', view.remark),
      view.tags?.length && item('card_tags', h('ul', { class: 'tags' }, view.tags.map((tag) => h('li', {}, tag)))),
      item('card_network', boot.words[network] ? t(network) : view.network || t('network_')),
      view.since > 0 && item('card_since', moment(view.since)),
      item('card_state', t(`state_link_${view.state}`)),
      view.hello && item('card_first', view.hello),
    ].filter(Boolean).flat().map((el) => el)));
}

$('find').addEventListener('input', () => { wanted = fold($('find').value.trim()); shell.show(); });
$('out').addEventListener('submit', () => forgetAll());
document.addEventListener('click', (e) => { if (!$('account').contains(e.target)) $('account').open = false; });
addEventListener('keydown', (e) => {
  if (e.key !== 'Escape' || e.defaultPrevented) return;
  if ($('account').open) { $('account').open = false; $('account').querySelector('summary').focus(); } else if (!$('about').hidden) { e.preventDefault(); toggle(false); info.focus(); }
}, true);

shell.start();
