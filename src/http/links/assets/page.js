// Tells the server that somebody pressed the button: a real click, on a page that is visible and has been so for a
// moment. A click made by a script, or at once, does nothing. Without this file the server asks on a second page.
(() => {
  const form = document.querySelector('form[data-dwell]');
  const button = form?.querySelector('button');
  if (!button) return;
  const dwell = Number(form.dataset.dwell);
  let visibleFor = 0;
  let visibleSince = document.visibilityState === 'visible' ? performance.now() : null;

  const visibleMs = () =>
    Math.round(visibleFor + (visibleSince === null ? 0 : performance.now() - visibleSince));

  document.addEventListener('visibilitychange', () => {
    visibleFor = visibleMs();
    visibleSince = document.visibilityState === 'visible' ? performance.now() : null;
  });

  button.addEventListener('click', (event) => {
    const visible = document.visibilityState === 'visible';
    if (!event.isTrusted || !visible || visibleMs() < dwell) {
      event.preventDefault();
      return;
    }
    form.elements.namedItem('seen').value = JSON.stringify({
      trusted: true,
      visible: true,
      visibleMs: visibleMs(),
      pointer: pointerOf(event),
    });
  });

  function pointerOf(event) {
    if (event.detail === 0) return 'keyboard';
    return ['mouse', 'pen', 'touch'].includes(event.pointerType) ? event.pointerType : 'unknown';
  }
})();
