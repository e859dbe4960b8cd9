// performance.now() begins anew in every thread; hrtime is one clock for all of them, but makes an array with each reading. So
// the distance between the two is measured once.

/** A thread that loses its core while it reads both clocks reads them far apart: the closest pair of these counts. */
const READINGS = 5;

/** Milliseconds of one monotonic clock, the same in every thread to within some microseconds. */
export function createEdgeClock(): () => number {
  let offset = 0;
  let closest = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < READINGS; reading++) {
    const before = performance.now();
    const [seconds, nanoseconds] = process.hrtime();
    const after = performance.now();
    if (after - before >= closest) continue;
    closest = after - before;
    offset = seconds * 1e3 + nanoseconds / 1e6 - (before + after) / 2;
  }
  return () => performance.now() + offset;
}
