// graphql-transport-ws: the public client. Prints what it hears, a JSON value a line.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, key, query, id, events] = process.argv.slice(2);
const say = (value) => console.log(JSON.stringify(value));
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${key}` },
  retryAttempts: 0,
  on: { closed: (event) => say({ closed: event.code }) },
});
let heard = 0;
try {
  for await (const result of client.iterate({ query, variables: { id } })) {
    say(result);
    heard += 1;
    if (heard === Number(events)) break;
  }
  say({ ended: true });
} catch (fault) {
  say({ failed: Array.isArray(fault) ? fault : { code: fault.code, reason: fault.reason } });
}
await client.dispose();
