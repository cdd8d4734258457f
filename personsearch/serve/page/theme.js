// Not a module: it runs before the first paint, so that a dark page never flashes white.
(() => {
  try {
    const kept = localStorage.getItem("personsearch-theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch {
    // Storage may be forbidden; then the system's preference holds.
  }
})();
