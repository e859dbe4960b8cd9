import { expect, test } from "vitest";
import { readRecords, toRecord } from "./record.ts";

const payloads = [Uint8Array.of(1), Uint8Array.from({ length: 300 }, (_, i) => i), Uint8Array.of(0, 0, 0)];
const records = payloads.map(toRecord);
const file = Buffer.concat(records);
const ends = records.map((_, i) => records.slice(0, i + 1).reduce((sum, record) => sum + record.length, 0));
const recordsWithin = (length: number): number => ends.filter((end) => end <= length).length;
const plain = (read: Uint8Array[]): number[][] => read.map((payload) => [...payload]);

test("reads back the payloads of a whole file", () => {
  const read = readRecords(file);
  expect(read.whole).toBe(true);
  expect(plain(read.payloads)).toEqual(plain(payloads));
});

test("reads the records before the cut of a file cut at any byte, and says when one is torn", () => {
  for (let length = 0; length < file.length; length++) {
    const read = readRecords(file.subarray(0, length));
    expect(read.payloads).toHaveLength(recordsWithin(length));
    expect(read.whole).toBe(length === 0 || ends.includes(length));
  }
});

test("reads only what is before a flipped bit, wherever it is", () => {
  for (let bit = 0; bit < file.length * 8; bit++) {
    const flipped = Buffer.from(file);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const read = readRecords(flipped);
    expect(read.payloads).toHaveLength(recordsWithin(bit >> 3));
    expect(read.whole).toBe(false);
  }
});

test("takes zeroes after the last record, or instead of all, for no record", () => {
  expect(readRecords(Buffer.concat([file, Buffer.alloc(4096)]))).toMatchObject({
    whole: false,
    payloads: { length: 3 },
  });
  expect(readRecords(Buffer.alloc(4096))).toMatchObject({ whole: false, payloads: { length: 0 } });
});

test("makes no record of nothing", () => {
  expect(() => toRecord(new Uint8Array())).toThrow(RangeError);
});
