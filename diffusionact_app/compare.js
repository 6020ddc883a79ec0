// The image before and after sliders. While they move, previews are fetched from the server one after the other.
const REST_MS = 500;
let cut = 50, waiting = null, busy = false, rest = 0, latest = '';

function place() {
  const bar = element.querySelector('input');
  if (bar) bar.value = cut;
  element.style.setProperty('--cut', cut + '%');
}

async function show(values) {
  const figure = element.querySelector('figure');
  if (!figure) return;
  const preview = await server.preview([figure.dataset.photo, values]);
  // The server may have put another photo, or the finished image, in its place meanwhile.
  if (!preview.image || element.querySelector('figure') !== figure) return;
  figure.querySelector('.after').src = preview.image;
  figure.querySelector('figcaption').textContent = preview.caption;
}

function restSoon() {
  clearTimeout(rest);
  rest = setTimeout(() => trigger('rest'), REST_MS);
}

async function follow(values) {
  document.querySelector('#hero-clip video')?.pause();  // it would take the time of the previews
  if (String(values) === latest) return;  // the mouse moved by less than a step of the slider
  latest = String(values);
  waiting = values;
  restSoon();
  if (busy) return;
  busy = true;
  try {
    while (waiting) {
      const next = waiting;
      waiting = null;
      await show(next);
    }
  } finally {
    busy = false;
    restSoon();  // a preview that came late stands where the finished image was
  }
}

element.addEventListener('input', (event) => { cut = event.target.value; place(); });
watch('value', () => { latest = ''; place(); });
window.followSliders = follow;
