// The image before and after sliders. While they move, previews are fetched from the server one after the other.
const REST_MS = 500, AGAIN_MS = 10000;
let cut = 50, waiting = null, busy = false, rest = 0, latest = '', previewed = false;

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
  previewed = true;
}

// Asks again while a preview stands there: an event can be lost while another one is under way.
function restSoon(wait = REST_MS, more = 3) {
  clearTimeout(rest);
  rest = setTimeout(() => {
    trigger('rest');
    if (previewed && more) restSoon(AGAIN_MS, more - 1);
  }, wait);
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
watch('value', () => { latest = ''; previewed = false; place(); });
window.followSliders = follow;
