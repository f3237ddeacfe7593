// OpenFeature's library for the web with its provider, unchanged: asks for all flags, and asks again when told to.
// Prints what it is served, a JSON value a line, at first and after each change, so often.
import { OpenFeature } from '@openfeature/web-sdk';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { EventSource } from 'eventsource';

globalThis.EventSource ??= EventSource; // browsers have it
const [baseUrl, key, unit, times] = process.argv.slice(2);
const told = [];
const fetchImplementation = async (...asked) => {
  const answer = await fetch(...asked);
  told.push(answer.status);
  return answer;
};
const provider = new OFREPWebProvider({
  baseUrl, fetchImplementation, headers: [['Authorization', `Bearer ${key}`]], cacheMode: 'disabled',
});
const client = OpenFeature.getClient();
let left = Number(times);
const say = async () => {
  const { value, variant, reason, flagMetadata } = client.getStringDetails('guided-tour', 'code');
  console.log(JSON.stringify({ value, variant, reason, exposes: flagMetadata.exposes, told: told.splice(0) }));
  left -= 1;
  if (left === 0) {
    await OpenFeature.close();
    process.exit(0);
  }
};
await OpenFeature.setContext({ targetingKey: unit, country: 'DE' });
client.addHandler('PROVIDER_CONFIGURATION_CHANGED', say);
await OpenFeature.setProviderAndWait(provider);
await say();
