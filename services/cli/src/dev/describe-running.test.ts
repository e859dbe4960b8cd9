import { expect, test } from "vitest";
import { describeRunning } from "./describe-running.ts";

const running = {
  dataDirectory: "/srv/my data/.helloway",
  origin: "http://127.0.0.1:8080",
  grpc: "127.0.0.1:8081",
  admin: "127.0.0.1:9443",
  edge: { host: "::1", port: 8443 },
  backends: [
    {
      hostname: "one.localhost",
      address: "127.0.0.1:4000",
      certificate: "/srv/my data/.helloway/demo/one.localhost.pem",
    },
  ],
  seconds: "1.2",
};

test("the lines to paste survive a path with a space and an IPv6 listener", () => {
  const text = describeRunning(running);
  expect(text).toContain(
    "curl --resolve one.localhost:8443:[::1] --cacert '/srv/my data/.helloway/demo/one.localhost.pem' https://one.localhost:8443/",
  );
  expect(text).toContain(
    "openssl s_client -connect [::1]:8443 -servername one.localhost -CAfile '/srv/my data/.helloway/demo/one.localhost.pem'",
  );
});
