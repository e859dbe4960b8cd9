CREATE TABLE "audit_events" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"origin" text NOT NULL,
	"request_id" text NOT NULL,
	"team" text,
	"action" text NOT NULL,
	"object" text NOT NULL,
	"before" jsonb,
	"after" jsonb
);
--> statement-breakpoint
CREATE TABLE "certificates" (
	"serial" text PRIMARY KEY NOT NULL,
	"edge_id" uuid NOT NULL,
	"generation" bigint NOT NULL,
	"key_hash" "bytea" NOT NULL,
	"certificate" "bytea" NOT NULL,
	"not_before" timestamp with time zone NOT NULL,
	"not_after" timestamp with time zone NOT NULL,
	"revoked_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "edge_refusals" (
	"edge_id" uuid NOT NULL,
	"kind" smallint NOT NULL,
	"object_id" text NOT NULL,
	"offered_hash" "bytea" NOT NULL,
	"used_hash" "bytea",
	"code" text NOT NULL,
	"detail" text NOT NULL,
	CONSTRAINT "edge_refusals_edge_id_kind_object_id_pk" PRIMARY KEY("edge_id","kind","object_id")
);
--> statement-breakpoint
CREATE TABLE "edges" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"pool_id" uuid NOT NULL,
	"labels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"managed_by" text DEFAULT '' NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	"agent_version" text,
	"features" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"listeners" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"admin" jsonb,
	"addresses" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"session" bigint DEFAULT 0 NOT NULL,
	"seen_at" timestamp with time zone,
	"disconnected_at" timestamp with time zone,
	"applied_epoch" bigint DEFAULT 0 NOT NULL,
	"applied_revision" bigint DEFAULT 0 NOT NULL,
	"applied_at" timestamp with time zone,
	"saved_revision" bigint,
	"disk_error" text DEFAULT '' NOT NULL,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "edges_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "join_tokens" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"hash" "bytea" NOT NULL,
	"pool_id" uuid NOT NULL,
	"edge_name" text,
	"labels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"consumed_at" timestamp with time zone,
	"key_hash" "bytea",
	"edge_id" uuid,
	CONSTRAINT "join_tokens_hash_unique" UNIQUE("hash")
);
--> statement-breakpoint
CREATE TABLE "authorities" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"certificate" "bytea" NOT NULL,
	"sealed_key" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"retired_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "control_sockets" (
	"address" text NOT NULL,
	"port" integer NOT NULL,
	"purpose" text NOT NULL,
	"seen_at" timestamp with time zone NOT NULL,
	CONSTRAINT "control_sockets_address_port_purpose_pk" PRIMARY KEY("address","port","purpose")
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"request_hash" "bytea" NOT NULL,
	"status" bigint NOT NULL,
	"response" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"singleton" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"epoch" bigint DEFAULT 1 NOT NULL,
	"secret_check" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "installation_singleton" CHECK ("installation"."singleton")
);
--> statement-breakpoint
CREATE TABLE "pools" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"spec" jsonb NOT NULL,
	"revision" bigint DEFAULT 0 NOT NULL,
	"digest" "bytea" NOT NULL,
	"labels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"managed_by" text DEFAULT '' NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "pools_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "revisions" (
	"pool_id" uuid NOT NULL,
	"revision" bigint NOT NULL,
	"author" text NOT NULL,
	"cause" text NOT NULL,
	"digest" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "revisions_pool_id_revision_pk" PRIMARY KEY("pool_id","revision")
);
--> statement-breakpoint
CREATE TABLE "table_changes" (
	"pool_id" uuid NOT NULL,
	"revision" bigint NOT NULL,
	"kind" smallint NOT NULL,
	"object_id" text NOT NULL,
	"body" "bytea",
	"hash" "bytea",
	"removal_cause" smallint,
	CONSTRAINT "table_changes_pool_id_revision_kind_object_id_pk" PRIMARY KEY("pool_id","revision","kind","object_id")
);
--> statement-breakpoint
CREATE TABLE "table_objects" (
	"pool_id" uuid NOT NULL,
	"kind" smallint NOT NULL,
	"object_id" text NOT NULL,
	"body" "bytea" NOT NULL,
	"hash" "bytea" NOT NULL,
	"revision" bigint NOT NULL,
	CONSTRAINT "table_objects_pool_id_kind_object_id_pk" PRIMARY KEY("pool_id","kind","object_id")
);
--> statement-breakpoint
CREATE TABLE "names" (
	"pool_id" uuid NOT NULL,
	"hostname" text NOT NULL,
	"team_id" uuid NOT NULL,
	CONSTRAINT "names_pool_id_hostname_pk" PRIMARY KEY("pool_id","hostname"),
	CONSTRAINT "names_pool_hostname_team" UNIQUE("pool_id","hostname","team_id")
);
--> statement-breakpoint
CREATE TABLE "route_names" (
	"pool_id" uuid NOT NULL,
	"hostname" text NOT NULL,
	"criteria_key" text NOT NULL,
	"team_id" uuid NOT NULL,
	"route_id" uuid NOT NULL,
	CONSTRAINT "route_names_pool_id_hostname_criteria_key_pk" PRIMARY KEY("pool_id","hostname","criteria_key")
);
--> statement-breakpoint
CREATE TABLE "routes" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"team_id" uuid NOT NULL,
	"name" text NOT NULL,
	"pool_id" uuid NOT NULL,
	"spec" jsonb NOT NULL,
	"revision" bigint NOT NULL,
	"labels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"managed_by" text DEFAULT '' NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "routes_team_name" UNIQUE("team_id","name")
);
--> statement-breakpoint
CREATE TABLE "domains" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"team_id" uuid NOT NULL,
	"name" text NOT NULL,
	"scope" text NOT NULL,
	"state" text NOT NULL,
	"challenge" text NOT NULL,
	"approved_by" text,
	"verified_at" timestamp with time zone,
	"version" bigint DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "teams" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"spec" jsonb NOT NULL,
	"labels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"managed_by" text DEFAULT '' NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "teams_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"team_id" uuid,
	"role" text NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash"),
	CONSTRAINT "tokens_role_scope" CHECK (("tokens"."role" in ('admin', 'viewer')) = ("tokens"."team_id" is null))
);
--> statement-breakpoint
CREATE TABLE "backend_minutes" (
	"route_uid" text NOT NULL,
	"backend" text NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"edge_id" uuid NOT NULL,
	"attempts" bigint NOT NULL,
	"failures" bigint NOT NULL,
	"opened" bigint NOT NULL,
	"closed" bigint NOT NULL,
	"rx_bytes" bigint NOT NULL,
	"tx_bytes" bigint NOT NULL,
	CONSTRAINT "backend_minutes_route_uid_backend_minute_edge_id_pk" PRIMARY KEY("route_uid","backend","minute","edge_id")
);
--> statement-breakpoint
CREATE TABLE "edge_boots" (
	"edge_id" uuid NOT NULL,
	"boot_id" uuid NOT NULL,
	"applied_sequence" bigint NOT NULL,
	"first_report_at" timestamp with time zone NOT NULL,
	"last_end_at" timestamp with time zone NOT NULL,
	"superseded_at" timestamp with time zone,
	CONSTRAINT "edge_boots_edge_id_boot_id_pk" PRIMARY KEY("edge_id","boot_id")
);
--> statement-breakpoint
CREATE TABLE "traffic_minute_closes" (
	"route_uid" text NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"edge_id" uuid NOT NULL,
	"reason" text NOT NULL,
	"closed" bigint NOT NULL,
	CONSTRAINT "traffic_minute_closes_route_uid_minute_edge_id_reason_pk" PRIMARY KEY("route_uid","minute","edge_id","reason")
);
--> statement-breakpoint
CREATE TABLE "traffic_minutes" (
	"route_uid" text NOT NULL,
	"minute" timestamp with time zone NOT NULL,
	"edge_id" uuid NOT NULL,
	"opened" bigint NOT NULL,
	"closed" bigint NOT NULL,
	"rx_bytes" bigint NOT NULL,
	"tx_bytes" bigint NOT NULL,
	CONSTRAINT "traffic_minutes_route_uid_minute_edge_id_pk" PRIMARY KEY("route_uid","minute","edge_id")
);
--> statement-breakpoint
CREATE TABLE "traffic_total_closes" (
	"route_uid" text NOT NULL,
	"edge_id" uuid NOT NULL,
	"reason" text NOT NULL,
	"closed" bigint NOT NULL,
	CONSTRAINT "traffic_total_closes_route_uid_edge_id_reason_pk" PRIMARY KEY("route_uid","edge_id","reason")
);
--> statement-breakpoint
CREATE TABLE "traffic_totals" (
	"route_uid" text NOT NULL,
	"edge_id" uuid NOT NULL,
	"boot_id" uuid NOT NULL,
	"opened" bigint NOT NULL,
	"closed" bigint NOT NULL,
	"rx_bytes" bigint NOT NULL,
	"tx_bytes" bigint NOT NULL,
	CONSTRAINT "traffic_totals_route_uid_edge_id_boot_id_pk" PRIMARY KEY("route_uid","edge_id","boot_id")
);
--> statement-breakpoint
ALTER TABLE "certificates" ADD CONSTRAINT "certificates_edge_id_edges_id_fk" FOREIGN KEY ("edge_id") REFERENCES "public"."edges"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "edge_refusals" ADD CONSTRAINT "edge_refusals_edge_id_edges_id_fk" FOREIGN KEY ("edge_id") REFERENCES "public"."edges"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "edges" ADD CONSTRAINT "edges_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "join_tokens" ADD CONSTRAINT "join_tokens_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "join_tokens" ADD CONSTRAINT "join_tokens_edge_id_edges_id_fk" FOREIGN KEY ("edge_id") REFERENCES "public"."edges"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "revisions" ADD CONSTRAINT "revisions_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "table_changes" ADD CONSTRAINT "table_changes_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "table_objects" ADD CONSTRAINT "table_objects_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "names" ADD CONSTRAINT "names_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "names" ADD CONSTRAINT "names_team_id_teams_id_fk" FOREIGN KEY ("team_id") REFERENCES "public"."teams"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "route_names" ADD CONSTRAINT "route_names_route_id_routes_id_fk" FOREIGN KEY ("route_id") REFERENCES "public"."routes"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "route_names" ADD CONSTRAINT "route_names_names_fk" FOREIGN KEY ("pool_id","hostname","team_id") REFERENCES "public"."names"("pool_id","hostname","team_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "routes" ADD CONSTRAINT "routes_team_id_teams_id_fk" FOREIGN KEY ("team_id") REFERENCES "public"."teams"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "routes" ADD CONSTRAINT "routes_pool_id_pools_id_fk" FOREIGN KEY ("pool_id") REFERENCES "public"."pools"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "domains" ADD CONSTRAINT "domains_team_id_teams_id_fk" FOREIGN KEY ("team_id") REFERENCES "public"."teams"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_team_id_teams_id_fk" FOREIGN KEY ("team_id") REFERENCES "public"."teams"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "edge_boots" ADD CONSTRAINT "edge_boots_edge_id_edges_id_fk" FOREIGN KEY ("edge_id") REFERENCES "public"."edges"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_events_team" ON "audit_events" USING btree ("team","id");--> statement-breakpoint
CREATE INDEX "certificates_edge" ON "certificates" USING btree ("edge_id");--> statement-breakpoint
CREATE INDEX "edge_refusals_object" ON "edge_refusals" USING btree ("object_id");--> statement-breakpoint
CREATE INDEX "edges_pool" ON "edges" USING btree ("pool_id");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "names_reversed" ON "names" USING btree (reverse("hostname") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "route_names_route" ON "route_names" USING btree ("route_id");--> statement-breakpoint
CREATE INDEX "routes_pool" ON "routes" USING btree ("pool_id");--> statement-breakpoint
CREATE UNIQUE INDEX "domains_team_name" ON "domains" USING btree ("team_id","name");--> statement-breakpoint
CREATE UNIQUE INDEX "domains_one_holder" ON "domains" USING btree ("name") WHERE "domains"."state" = 'verified';--> statement-breakpoint
CREATE INDEX "domains_reversed" ON "domains" USING btree (reverse("name") text_pattern_ops);--> statement-breakpoint
CREATE INDEX "tokens_team" ON "tokens" USING btree ("team_id");--> statement-breakpoint
CREATE INDEX "traffic_totals_boot" ON "traffic_totals" USING btree ("edge_id","boot_id");