// Serves the page and passes /graphql on to Truelift with the key, which so never reaches a browser.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const { TRUELIFT_URL = "http://127.0.0.1:8000", TRUELIFT_KEY, PORT = "5173" } = process.env;
const FILES = { "/": ["index.html", "text/html"], "/results.css": ["results.css", "text/css"] };
FILES["/dist/results.js"] = ["dist/results.js", "text/javascript"];
const LARGEST = 100_000; // bytes of a question

if (!TRUELIFT_KEY) throw new Error("Set TRUELIFT_KEY to a key with the scope `read`.");

async function passedOn(request) {
  let body = "";
  for await (const piece of request) if ((body += piece).length > LARGEST) return [413, "application/json", "{}"];
  const headers = { "Content-Type": "application/json", Authorization: `Bearer ${TRUELIFT_KEY}` };
  const answer = await fetch(`${TRUELIFT_URL}/graphql`, { method: "POST", headers, body });
  return [answer.status, "application/json", await answer.text()];
}

async function answer(request) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/graphql" && request.headers["content-type"] === "application/json") return passedOn(request);
  const found = FILES[pathname];
  return found ? [200, found[1], await readFile(new URL(found[0], import.meta.url))] : [404, "text/plain", "Not here."];
}

createServer(async (request, response) => {
  const [status, type, body] = await answer(request).catch((error) => [
    502,
    "application/json",
    JSON.stringify({ errors: [{ message: `Truelift does not answer: ${error.message}.` }] }),
  ]);
  response.writeHead(status, { "Content-Type": `${type}; charset=utf-8` }).end(body);
}).listen(Number(PORT), "127.0.0.1", () => console.log(`http://127.0.0.1:${PORT}/?experiment=guided-onboarding`));
