import { expect, test } from "vitest";
import { HellowayError } from "../errors.ts";
import { EmbeddedDatabaseError, isConnectionLoss, toDatabaseError } from "./connection-loss.ts";

const coded = (code: string) => Object.assign(new Error("x"), { code });

test.each(["ECONNREFUSED", "ECONNRESET", "ENOENT", "08006", "57P01", "57P03", "53300", "57014"])(
  "%s means that the database is away",
  (code) => {
    expect(isConnectionLoss(coded(code))).toBe(true);
    expect(isConnectionLoss(new Error("Failed query", { cause: coded(code) }))).toBe(true);
    expect(isConnectionLoss(new AggregateError([coded(code)]))).toBe(true);
  },
);

test.each(["23505", "40001", "42P01", "EACCES", "28P01"])("%s does not", (code) => {
  expect(isConnectionLoss(coded(code))).toBe(false);
});

test("what is not an error of the database stays as it is", () => {
  for (const error of [
    new HellowayError("conflict", "x", "x", { cause: coded("ECONNREFUSED") }),
    new Error("x"),
    "text",
    null,
  ]) {
    expect(toDatabaseError(error)).toBe(error);
  }
  expect(toDatabaseError(new EmbeddedDatabaseError("gone"))).toMatchObject({
    kind: "unavailable",
    code: "database_unavailable",
  });
});
