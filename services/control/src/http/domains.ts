import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { approveDomain, createDomain, deleteDomain, getDomain, listDomains } from "../fleet/domains.ts";
import { answers, authenticated, etagHeader, json, locationHeader, takesBody } from "./answers.ts";
import { deleteConditions, toETag, toPrecondition } from "./conditions.ts";
import { contextOf } from "./context-of.ts";
import { jsonBody } from "./json-body.ts";
import { noQuery, pageOf, pageQuery, toPage } from "./page-query.ts";
import { respondRead } from "./respond-object.ts";
import { idempotencyHeader, respondOnce } from "./respond-once.ts";
import { domainCreate, domainOutput, printDomain } from "./schemas/domain.ts";
import { domainName } from "./schemas/hostname.ts";
import { objectName } from "./schemas/name.ts";
import type { AppEnv } from "./app-env.ts";
import type { HttpDependencies } from "./dependencies.ts";

const path = "/api/v1/teams/{team}/domains";
const tags = ["Domains"];
const teamParams = z.object({ team: objectName });
const params = z.object({ team: objectName, name: domainName });

const nothing = z.strictObject({}).openapi("Nothing", { example: {} });

const list = createRoute({
  operationId: "listDomains",
  tags,
  summary: "The team's claims to names",
  method: "get",
  path,
  request: { params: teamParams, query: pageQuery },
  responses: answers({ 200: json("A page.", pageOf(domainOutput, "DomainPage")) }, ...authenticated, 404, 422),
});

const create = createRoute({
  operationId: "createDomain",
  tags,
  summary: "Claim a name; the answer says what proves it",
  method: "post",
  path,
  middleware: [jsonBody()] as const,
  request: {
    params: teamParams,
    query: noQuery,
    headers: idempotencyHeader,
    body: { required: true, content: { "application/json": { schema: domainCreate } } },
  },
  responses: answers(
    {
      201: json("Claimed; pending until it is proven or approved.", domainOutput, {
        ETag: etagHeader,
        Location: locationHeader,
      }),
    },
    ...authenticated,
    ...takesBody,
    404,
    409,
  ),
});

const get = createRoute({
  operationId: "getDomain",
  tags,
  summary: "One claim",
  method: "get",
  path: `${path}/{name}`,
  request: { params, query: noQuery },
  responses: answers({ 200: json("The claim.", domainOutput, { ETag: etagHeader }) }, ...authenticated, 404, 422),
});

const approve = createRoute({
  operationId: "approveDomain",
  tags,
  summary: "Vouch for a claim (administrators): it is verified without a proof",
  method: "post",
  path: `${path}/{name}/approve`,
  middleware: [jsonBody({ required: false })] as const,
  request: {
    params,
    query: noQuery,
    headers: idempotencyHeader.extend(deleteConditions.shape),
    body: { required: false, content: { "application/json": { schema: nothing } } },
  },
  responses: answers(
    { 200: json("Verified.", domainOutput, { ETag: etagHeader }) },
    ...authenticated,
    ...takesBody,
    404,
    409,
    412,
  ),
});

const remove = createRoute({
  operationId: "deleteDomain",
  tags,
  summary: "Give a name up; refused while a route needs it",
  method: "delete",
  path: `${path}/{name}`,
  request: { params, query: noQuery, headers: deleteConditions },
  responses: answers({ 204: { description: "Gone." } }, ...authenticated, 404, 409, 412, 422),
});

export function domainsApp(deps: HttpDependencies): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.openapi(list, async (c) => {
    const { team } = c.req.valid("param");
    const page = await listDomains(contextOf(c, deps), { ...toPage(c.req.valid("query")), team });
    return c.json({ items: page.items.map(printDomain), nextCursor: page.nextCursor }, 200);
  });
  app.openapi(create, async (c) => {
    const { team } = c.req.valid("param");
    const { name, scope } = c.req.valid("json");
    return await respondOnce(c, deps, async (ctx) => {
      const domain = await createDomain(ctx, { team, name, scope });
      return {
        status: 201,
        secret: false,
        body: printDomain(domain),
        location: `${c.req.path}/${domain.name}`,
        etag: toETag(domain.version),
      };
    });
  });
  app.openapi(get, async (c) => {
    const domain = await getDomain(contextOf(c, deps), c.req.valid("param"));
    return respondRead(c, printDomain(domain));
  });
  app.openapi(approve, async (c) => {
    const target = { ...c.req.valid("param"), precondition: toPrecondition(c.req.valid("header")) };
    return await respondOnce(c, deps, async (ctx) => {
      const domain = await approveDomain(ctx, target);
      return { status: 200, secret: false, body: printDomain(domain), etag: toETag(domain.version) };
    });
  });
  app.openapi(remove, async (c) => {
    await deleteDomain(contextOf(c, deps), {
      ...c.req.valid("param"),
      precondition: toPrecondition(c.req.valid("header")),
    });
    return c.body(null, 204);
  });
  return app;
}
