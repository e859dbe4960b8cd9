CREATE TABLE "report_gaps" (
	"edge_id" uuid NOT NULL,
	"boot_id" uuid NOT NULL,
	"from_sequence" bigint NOT NULL,
	"to_sequence" bigint NOT NULL,
	"noticed_at" timestamp with time zone NOT NULL,
	CONSTRAINT "report_gaps_edge_id_boot_id_from_sequence_pk" PRIMARY KEY("edge_id","boot_id","from_sequence")
);
--> statement-breakpoint
ALTER TABLE "report_gaps" ADD CONSTRAINT "report_gaps_edge_id_boot_id_edge_boots_edge_id_boot_id_fk" FOREIGN KEY ("edge_id","boot_id") REFERENCES "public"."edge_boots"("edge_id","boot_id") ON DELETE cascade ON UPDATE no action;