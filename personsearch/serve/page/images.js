// Pictures load as they come into view, four at a time: a browser has six connections to a service, and a search must
// not wait behind fifty crops. What has left the page gives its place up at once.

const SLOTS = 4;
/** @type {Map<HTMLImageElement, string>} pictures that are in view or near it, the first to come first */
const waiting = new Map();
const loading = new Set();
/** @type {WeakMap<Element, string>} */
const sources = new WeakMap();

const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) waiting.set(target, sources.get(target));
      else waiting.delete(target);
    }
    pump();
  },
  { rootMargin: "400px 0px" },
);

/** Load a picture once it is near what is seen. */
export function soon(image, source) {
  sources.set(image, source);
  observer.observe(image);
}

/** Elements were taken out of the page: their pictures need not come any more. */
export function swept() {
  for (const image of loading) if (!image.isConnected) end(image, true);
  pump();
}

function end(image, gone) {
  loading.delete(image);
  if (!gone) return;
  image.removeAttribute("src");
  observer.observe(image); // a view that is shown again wants it after all
}

function pump() {
  for (const [image, source] of waiting) {
    if (loading.size >= SLOTS) return;
    waiting.delete(image);
    if (!image.isConnected) continue;
    observer.unobserve(image);
    loading.add(image);
    const ended = () => (end(image, false), pump());
    image.addEventListener("load", ended, { once: true });
    image.addEventListener("error", ended, { once: true });
    image.src = source;
  }
}
