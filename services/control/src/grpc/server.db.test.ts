import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { startControlPlane } from "../../../../test/harness/control-plane.ts";
import { eachDatabase } from "../../../../test/harness/database.ts";
import { connectEdge, enrolEdge } from "../../../../test/harness/edge-client.ts";

eachDatabase((open) => {
  test("stops though clients are connected that say nothing, read nothing, or stay", { timeout: 20_000 }, async () => {
    const control = await startControlPlane(await open());
    await control.fleet.pool("main");
    const silent = connect(control.port, "127.0.0.1");
    const unread = connectTls({
      port: control.port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    for (const socket of [silent, unread]) {
      socket.on("error", () => undefined);
      onTestFinished(() => void socket.destroy());
    }
    await Promise.all([once(silent, "connect"), once(unread, "secureConnect")]);
    unread.pause();
    const connection = connectEdge(await enrolEdge(control, "main", "stays"));
    await connection.welcome;
    connection.stream.pause();
    const closed = once(silent.resume(), "close");
    await control.stop();
    expect(await closed).toHaveLength(1);
  });
});
