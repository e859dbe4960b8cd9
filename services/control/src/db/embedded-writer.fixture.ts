// Writes to an embedded database until it is killed, telling what it has committed.
import { sql } from "drizzle-orm";
import { openEmbedded } from "./embedded.ts";
import { inTransaction } from "./transaction.ts";

const database = await openEmbedded(process.argv[2] ?? "");
await database.db.execute(sql`create table if not exists written (n int not null)`);
const { rows } = await database.db.execute<{ next: number }>(sql`select coalesce(max(n) + 1, 0) as next from written`);
for (let n = rows[0]?.next ?? 0; ; n++) {
  const value = n;
  await inTransaction(database.db, async (tx) => {
    await tx.execute(sql`insert into written values (${value})`);
    await tx.execute(sql`insert into written values (${value})`);
  });
  process.send?.(n);
}
