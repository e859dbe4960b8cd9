import { expect, test } from "vitest";
import fc from "fast-check";
import { Bandwidth } from "./bandwidth.ts";

test("lets one read through at once, however low the limit, and waits for what goes beyond it", () => {
  const slow = new Bandwidth(1_000, 0);
  expect(slow.pauseMs(131_072, 0)).toBe(0);
  expect(slow.pauseMs(500, 0)).toBe(500);
  expect(slow.pauseMs(0, 500)).toBe(0);
});

test("lets a tenth of a second's worth through at once where that is more", () => {
  const fast = new Bandwidth(10_000_000, 0);
  expect(fast.pauseMs(1_000_000, 0)).toBe(0);
  expect(fast.pauseMs(10_000, 0)).toBe(1);
});

test("saves up no more than that while nothing is read", () => {
  const bandwidth = new Bandwidth(131_072, 0);
  expect(bandwidth.pauseMs(131_072, 3_600_000)).toBe(0);
  expect(bandwidth.pauseMs(131_072, 3_600_000)).toBe(1_000);
});

test("forwards at the limit on average, neither more nor less, whatever the reads and however late the timers", () => {
  const read = fc.record({ bytes: fc.integer({ min: 1, max: 131_072 }), lateMs: fc.nat(20) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1_000, max: 50_000_000 }),
      fc.array(read, { minLength: 50, maxLength: 200, size: "max" }),
      (bytesPerSecond, reads) => {
        const burst = Math.max(bytesPerSecond / 10, 131_072);
        const bandwidth = new Bandwidth(bytesPerSecond, 0);
        let now = 0;
        let forwarded = 0;
        let paused = false;
        for (const { bytes, lateMs } of reads) {
          // Before each read: no more than the burst and what the time allows, and after a pause that was kept to, no less than it.
          expect(forwarded).toBeLessThanOrEqual(burst + (now * bytesPerSecond) / 1000 + 1e-3);
          forwarded += bytes;
          const pauseMs = bandwidth.pauseMs(bytes, now);
          const overdue = ((forwarded - burst) / bytesPerSecond) * 1000 - now;
          if (!paused && pauseMs > 0) expect(pauseMs).toBe(Math.ceil(overdue - 1e-6));
          paused ||= pauseMs > 0;
          if (pauseMs > 0) now += pauseMs + lateMs;
        }
      },
    ),
  );
});
