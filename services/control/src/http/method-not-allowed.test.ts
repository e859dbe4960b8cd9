import { expect, test } from "vitest";
import { allowedMethods } from "./method-not-allowed.ts";

const routes = [
  { method: "ALL", path: "/*" },
  { method: "GET", path: "/teams" },
  { method: "GET", path: "/teams/:team" },
  { method: "PUT", path: "/teams/:team" },
];

test.each([
  ["/teams", ["GET", "HEAD"]],
  ["/teams/a", ["GET", "HEAD", "PUT"]],
  ["/teams/", []],
  ["/teams/a/b", []],
  ["/other", []],
])("%s takes %j", (path, methods) => {
  expect(allowedMethods(routes, path)).toEqual(methods);
});
