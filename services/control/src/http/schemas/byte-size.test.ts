import fc from "fast-check";
import { expect, test } from "vitest";
import { byteSize, formatByteSize, parseByteSize } from "./byte-size.ts";

test.each([
  ["0B", 0],
  ["1500B", 1500],
  ["1kB", 1000],
  ["1KiB", 1024],
  ["10MiB", 10_485_760],
  ["2MB", 2_000_000],
  ["1GiB", 1_073_741_824],
  ["1GB", 1_000_000_000],
])("%s is %d bytes", (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test.each(["", "5", "MB", "1.5MB", "-5B", "5 MB", "5mb", "5KB", "5kiB", "5M", "1MB1kB", "٥B", "999999999GiB"])(
  "%j is no size",
  (text) => {
    expect(parseByteSize(text)).toBeNull();
  },
);

test.each([
  [1000, "1kB"],
  [1024, "1KiB"],
  [1500, "1500B"],
  [10_485_760, "10MiB"],
  [128_000, "128kB"],
  [100_352_000, "98000KiB"],
  [1_000_000_000, "1GB"],
])("%d bytes are written %s", (bytes, text) => {
  expect(formatByteSize(bytes)).toBe(text);
});

test("what is written reads back the same", () => {
  const sizes = fc.oneof(
    fc.nat(100_000),
    fc.nat(100_000).map((n) => n * 1024),
    fc.nat(100_000).map((n) => n * 1000),
  );
  fc.assert(fc.property(sizes, (bytes) => parseByteSize(formatByteSize(bytes)) === bytes));
});

test("a field takes numbers and texts, keeps to its bounds and says them", () => {
  const field = byteSize({ min: "1kB", max: "1MiB" }, "A field.", "64kB");
  expect(field.parse("1MiB")).toBe(1_048_576);
  expect(field.parse(2000)).toBe(2000);
  for (const given of ["999B", 999, -1, 1_048_577]) {
    expect(field.safeParse(given).error?.issues[0], String(given)).toMatchObject({
      message: "Between 1kB and 1MiB.",
      params: { code: "out_of_range" },
    });
  }
  expect(field.safeParse("much").error?.issues[0]).toMatchObject({ params: { code: "bad_size" } });
  expect(field.safeParse(1.5).success).toBe(false);
});
