// A certified OpenID provider (oidc-provider) on this machine. Its first argument is what it is to be, as JSON; each line
// it reads afterwards is what it is to be from then on. It prints "ready" whenever it is.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const asked = JSON.parse(process.argv[2]);
const keys = {};
let handle;

const made = (alg) => {
  const [kind, size] = alg === "ES256" ? ["ec", { namedCurve: "P-256" }] : ["rsa", { modulusLength: 2048 }];
  const pair = generateKeyPairSync(kind, size);
  return { ...pair.privateKey.export({ format: "jwk" }), use: "sig", alg };
};

// Everybody signs in by their mailbox, and is known by it.
const account = (told) => (_context, sub) => ({
  accountId: sub,
  claims: () => ({ sub, email: sub, email_verified: told.verified ?? true, name: "Somebody" }),
});

const provide = (told) => {
  const alg = told.alg ?? "RS256";
  if (told.hasNewKeys) delete keys[alg];
  keys[alg] ??= made(alg);
  const provider = new Provider(asked.issuer, {
    clients: asked.clients.map((client) => ({ ...client, id_token_signed_response_alg: alg })),
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: told.conforms ?? true,
    cookies: { keys: ["the tests' own"] },
    findAccount: account(told),
    jwks: { keys: [keys[alg]] },
    pkce: { required: () => true },
    ttl: { IdToken: 300, AccessToken: 300, Grant: 300, Interaction: 300, Session: 300 },
  });
  // What a real provider never does: its clock is slow, it hands out another token than it made, or tells of another.
  provider.use(async (context, next) => {
    const { now } = Date;
    if (told.slow && context.path === "/token") Date.now = () => now() - 1000 * told.slow;
    await next();
    Date.now = now;
    if (told.token && context.path === "/token") context.body = { ...context.body, id_token: told.token };
    if (told.sub && context.path === "/me") context.body = { ...context.body, sub: told.sub };
  });
  handle = provider.callback();
  console.log("ready");
};

const server = createServer((request, response) => handle(request, response));
server.listen(new URL(asked.issuer).port, "127.0.0.1", () => provide(asked));
createInterface({ input: process.stdin })
  .on("line", (line) => provide(JSON.parse(line)))
  .on("close", () => process.exit());
