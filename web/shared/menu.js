// The menu of one message: a real menu for the keyboard (arrows, Home, End, Escape), closed by any
// click elsewhere.

import { h } from './dom.js';
import { t } from './words.js';

const quick = ['👍', '❤️', '😄', '🎉', '🙏', '👀'];
let close = () => {};

/** openMenu shows what can be done with a line beside its button. */
export function openMenu(line, row, button, can) {
  const again = button.getAttribute('aria-expanded') === 'true';
  close();
  if (again) return;
  const item = (id, text, act, cls) => h('button', {
    type: 'button', role: 'menuitem', tabindex: '-1', 'data-testid': id, class: cls, onclick: () => { close(); act(line); },
  }, text);
  const mine = (emoji) => line.reactions?.some((r) => r.mine && r.emoji === emoji) || false;
  const menu = h('div', { class: 'menu', role: 'menu', 'aria-label': t('actions') },
    h('div', { class: 'emojis', role: 'group' }, quick.map((e) => h('button', {
      type: 'button', role: 'menuitemcheckbox', 'aria-checked': String(mine(e)), tabindex: '-1', 'aria-label': t('react', e), 'data-testid': 'react', 'data-emoji': e,
      onclick: () => { close(); can.react(line, e, mine(e)); },
    }, e))),
    ...[
      item('reply', t('reply'), can.reply),
      line.text && item('copy', t('copy'), can.copy),
      line.mine && line.text && can.writable() && item('edit', t('edit'), can.edit),
      line.mine && can.writable() && item('recall', t('recall'), can.recall, 'danger'),
    ].filter(Boolean));
  row.append(menu);
  const box = row.closest('.log').getBoundingClientRect();
  if (menu.getBoundingClientRect().top < box.top) menu.classList.add('below');
  button.setAttribute('aria-expanded', 'true');
  const items = [...menu.querySelectorAll('button')];
  const outside = (e) => { if (!menu.contains(e.target) && e.target !== button && !button.contains(e.target)) close(); };
  const keys = (e) => {
    const i = items.indexOf(document.activeElement);
    const to = { ArrowDown: i + 1, ArrowRight: i + 1, ArrowUp: i - 1, ArrowLeft: i - 1, Home: 0, End: items.length - 1 }[e.key];
    if (to !== undefined) { e.preventDefault(); items[(to + items.length) % items.length].focus(); }
    if (e.key === 'Escape' || e.key === 'Tab') { e.preventDefault(); e.stopPropagation(); close(); button.focus(); }
  };
  menu.addEventListener('keydown', keys);
  document.addEventListener('pointerdown', outside);
  close = () => {
    menu.remove();
    button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside);
    close = () => {};
  };
  items[0].focus({ preventScroll: true });
  menu.scrollIntoView({ block: 'nearest' });
}

/** closeMenu closes the open menu, if there is one. */
export const closeMenu = () => close();
