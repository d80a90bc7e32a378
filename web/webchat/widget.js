// <script src="https://gateway/widget.js" data-card="CARD" async></script>
// A button in the corner; the chat in a frame once it is wanted. It sets no cookie, loads nothing before
// the first click, and never covers the page while the gateway does not answer.
(function () {
  'use strict';
  var script = document.currentScript;
  if (!script || !script.dataset.card || document.getElementById('hutong-button')) return;
  var origin = new URL(script.src).origin;
  var card = origin + '/c/' + encodeURIComponent(script.dataset.card);
  var zh = /^zh/i.test(script.dataset.lang || document.documentElement.lang || navigator.language || '');
  var words = zh
    ? { open: '打开聊天', close: '关闭聊天', chat: '在线聊天', wait: '正在连接…', fail: '暂时无法连接。', link: '在新窗口打开' }
    : { open: 'Open chat', close: 'Close chat', chat: 'Chat', wait: 'Connecting…', fail: 'The chat cannot be reached just now.', link: 'Open it in a new window' };
  var colour = /^#[0-9a-f]{6}$/i.test(script.dataset.colour || '') ? script.dataset.colour : '#1c6b5c';
  var font = '15px/1.5 system-ui, -apple-system, "PingFang SC", "Microsoft YaHei", sans-serif';

  function make(tag, style, props) {
    var el = document.createElement(tag);
    Object.assign(el.style, style);
    Object.assign(el, props || {});
    return el;
  }

  var button = make('button', {
    position: 'fixed', right: '20px', bottom: '20px', zIndex: '2147483000', width: '60px', height: '60px', border: '0', borderRadius: '20px',
    background: colour, color: '#fff', font: '26px/1 system-ui, sans-serif', cursor: 'pointer', boxShadow: '0 6px 24px rgb(0 0 0 / 22%)',
  }, { id: 'hutong-button', type: 'button', textContent: '💬' });
  button.setAttribute('aria-label', words.open);
  button.setAttribute('aria-expanded', 'false');
  var badge = make('span', {
    position: 'absolute', top: '-4px', right: '-4px', minWidth: '20px', padding: '3px 5px', borderRadius: '10px', background: '#a62c1c', color: '#fff',
    font: '600 12px/14px system-ui, sans-serif', display: 'none',
  });
  button.append(badge);

  var panel = make('div', {
    position: 'fixed', right: '20px', bottom: '92px', zIndex: '2147483000', width: 'min(400px, calc(100vw - 24px))', height: 'min(640px, calc(100vh - 112px))',
    border: '1px solid rgb(0 0 0 / 12%)', borderRadius: '18px', overflow: 'hidden', background: '#fffefb', color: '#22211e', boxShadow: '0 12px 48px rgb(0 0 0 / 22%)', display: 'none', font: font,
  });
  panel.setAttribute('role', 'dialog');
  panel.setAttribute('aria-label', words.chat);
  var status = make('p', { margin: '0', padding: '40px 24px', textAlign: 'center' }, { textContent: words.wait });
  status.setAttribute('role', 'status');
  panel.append(status);

  var frame = null;
  var ready = false;
  var timer = 0;

  function fail() {
    if (ready) return;
    if (frame) frame.remove();
    frame = null;
    var link = make('a', { color: colour }, { href: card, target: '_blank', rel: 'noopener', textContent: words.link });
    status.replaceChildren(words.fail, document.createElement('br'), link);
    status.style.display = '';
  }
  function load() {
    status.textContent = words.wait;
    frame = make('iframe', { width: '100%', height: '100%', border: '0', visibility: 'hidden', position: 'absolute', inset: '0' }, { title: words.chat });
    frame.src = card + '?embed=' + encodeURIComponent(location.origin);
    panel.append(frame);
    timer = setTimeout(fail, 10000);
  }
  function open(on) {
    panel.style.display = on ? 'block' : 'none';
    button.setAttribute('aria-expanded', String(on));
    button.setAttribute('aria-label', on ? words.close : words.open);
    if (on && !frame) load();
    else if (on && ready) focusIn();
    if (!on) button.focus();
  }
  function focusIn() {
    frame.focus();
    frame.contentWindow.postMessage({ hutong: 'focus' }, origin);
  }

  addEventListener('message', function (e) {
    if (e.origin !== origin || !frame || e.source !== frame.contentWindow || !e.data) return;
    if (e.data.hutong === 'ready') {
      clearTimeout(timer);
      ready = true;
      status.style.display = 'none';
      frame.style.visibility = 'visible';
      if (panel.style.display === 'block') focusIn();
    } else if (e.data.hutong === 'close') {
      open(false);
    } else if (e.data.hutong === 'unread') {
      var n = Math.min(Number(e.data.value) || 0, 99);
      badge.textContent = String(n);
      badge.style.display = n > 0 && panel.style.display !== 'block' ? 'block' : 'none';
    }
  });
  button.addEventListener('click', function () { open(panel.style.display !== 'block'); badge.style.display = 'none'; });
  panel.addEventListener('keydown', function (e) { if (e.key === 'Escape') open(false); });

  function place() { document.body.append(panel, button); }
  if (document.body) place();
  else addEventListener('DOMContentLoaded', place);
})();
