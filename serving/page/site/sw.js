// A second visit works offline: the page's files are kept, and asked for again whenever there is a server.

const CACHE = "two-face-page";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  const ours = origin === location.origin && (pathname === "/" || pathname.startsWith("/page/"));
  if (event.request.method !== "GET" || !ours || pathname.startsWith("/page/models/")) return;
  event.respondWith(fresh(event.request));
});

/** @param {Request} request */
async function fresh(request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request, answer.clone()).catch(() => undefined); // a full disk is no fault of the page
    return answer.status < 500 ? answer : ((await cache.match(request)) ?? answer);
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}
