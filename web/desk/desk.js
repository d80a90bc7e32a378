// The desk: a member's customers, and what is known of each.

import { h, $, icon, avatar } from '../shared/dom.js';
import { boot, t, moment } from '../shared/words.js';
import { ulid } from '../shared/api.js';
import { forgetAll } from '../shared/outbox.js';
import { labelOf } from '../shared/rooms.js';
import { Shell } from '../shared/shell.js';

let wanted = '';
let view = null;
let drawn = ''; // what the panel shows
let stale = false; // it has changed while something is typed there

const fold = (s) => (s || '').toLocaleLowerCase();
/** facts is what the panel shows of a customer, to be compared. */
const facts = (v) => JSON.stringify([v.room, v.name, v.label, v.remark, v.tags, v.window, v.state, v.hello]);
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
    if ($('about').hidden || drawn === facts(v)) return;
    stale = $('about').dataset.room === v.room && document.activeElement.matches('#about input');
    if (!stale) about();
  },
  closed() { view = null; toggle(false); },
});

const pin = h('button', {
  class: 'icon', type: 'button', 'data-testid': 'pin',
  onclick: () => view && command(view.room, view.pinned ? '/unpin' : '/pin'),
}, icon('pin'));
const info = h('button', {
  class: 'icon', type: 'button', 'aria-label': t('card'), 'aria-expanded': 'false', 'aria-controls': 'about', 'data-testid': 'about-open', onclick: () => toggle($('about').hidden),
}, icon('info'));
$('head-actions').append(pin, info);

/** command says what a button or a field stands for; what it changed comes back as the conversation's news. */
const command = (room, text) => shell.tell('command', { room, id: ulid(), text });

function toggle(on) {
  $('about').hidden = !on;
  info.setAttribute('aria-expanded', String(on));
  if (!on || !view) return;
  about();
  $('about').querySelector('button').focus();
}

/** field is a line of text that is kept when it is left, or by Enter. Escape takes back what was typed. */
function field(key, id, value, keep) {
  const input = h('input', { type: 'text', 'data-testid': `about-${id}`, 'aria-label': t(key), placeholder: t(key), maxlength: 200, value, autocomplete: 'off' });
  input.addEventListener('blur', () => {
    const text = input.value.trim();
    if (text !== value) keep(text);
    else if (stale) setTimeout(() => view && about(), 300); // after the click that it was left by
  });
  input.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.isComposing) input.blur();
    if (e.key !== 'Escape') return;
    e.preventDefault();
    if (input.value !== value) input.value = value;
    else { toggle(false); info.focus(); }
  });
  return input;
}

const tags = (room, list) => h('ul', { class: 'tags' }, list.map((tag) => h('li', {}, tag, h('button', {
  type: 'button', class: 'untag', 'aria-label': t('tag_drop', tag), 'data-testid': 'untag', onclick: () => command(room, `/tag -${tag}`),
}, '×'))));

function about() {
  const item = (key, ...kids) => [h('dt', {}, t(key)), h('dd', {}, ...kids)];
  const network = `network_${view.network}`;
  const room = view.room;
  drawn = facts(view);
  $('about').dataset.room = room;
  $('about').replaceChildren(
    h('div', { class: 'about-head' }, h('h2', {}, t('card')),
      h('button', { class: 'icon', type: 'button', 'aria-label': t('close'), onclick: () => { toggle(false); info.focus(); } }, icon('close'))),
    h('div', { class: 'about-who' }, avatar(view.name), h('b', {}, view.name), h('span', { class: 'label', 'data-testid': 'about-label' }, labelOf(view))),
    h('dl', {}, [
      item('card_remark', field('card_remark', 'remark', view.remark || '', (text) => command(room, `/remark ${text || '-'}`))),
      item('card_tags', tags(room, view.tags || []), field('tag_add', 'tag', '', (text) => command(room, `/tag ${text}`))),
      view.window && item('card_window', view.window),
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
  if (e.key !== 'Escape' || e.defaultPrevented || e.target.matches?.('#about input')) return;
  if ($('account').open) { $('account').open = false; $('account').querySelector('summary').focus(); } else if (!$('about').hidden) { e.preventDefault(); toggle(false); info.focus(); }
}, true);

shell.start();
