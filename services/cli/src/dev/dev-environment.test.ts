import { expect, test } from "vitest";
import { devEnvironment } from "./dev-environment.ts";

const listen = (text: string) => devEnvironment.shape.HELLOWAY_EDGE_LISTEN.safeParse(text);

test("takes listeners with and without +proxy, as the agent does", () => {
  expect(listen("127.0.0.1:8443+proxy, [::1]:0").data).toEqual([
    { address: { host: "127.0.0.1", port: 8443 }, proxy: true },
    { address: { host: "::1", port: 0 }, proxy: false },
  ]);
});

test("says what is wrong with each listener, and that one has to be without +proxy", () => {
  expect(listen("x+proxy,127.0.0.1:1+other,127.0.0.1:1").error?.issues).toHaveLength(2);
  expect(listen("127.0.0.1:8443+proxy").error?.issues[0]?.message).toContain("without +proxy");
});
