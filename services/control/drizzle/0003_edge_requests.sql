CREATE TABLE "edge_requests" (
	"id" uuid PRIMARY KEY NOT NULL,
	"edge_id" uuid NOT NULL,
	"action" jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"fulfilled_at" timestamp with time zone,
	"result" jsonb
);
--> statement-breakpoint
ALTER TABLE "traffic_minutes" ADD COLUMN "over_limit" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "traffic_totals" ADD COLUMN "over_limit" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "edge_requests" ADD CONSTRAINT "edge_requests_edge_id_edges_id_fk" FOREIGN KEY ("edge_id") REFERENCES "public"."edges"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "edge_requests_open" ON "edge_requests" USING btree ("edge_id") WHERE "edge_requests"."fulfilled_at" is null;--> statement-breakpoint
CREATE INDEX "edge_requests_created" ON "edge_requests" USING btree ("created_at");