// An element with its attributes and content. Text is always text, never markup: names come from people.
type Content = Node | string;

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...content: Content[]
): HTMLElementTagNameMap[Name] {
  return filled(document.createElement(name), attributes, content);
}

export function shape(name: string, attributes: Record<string, string>, ...content: Content[]): SVGElement {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name) as SVGElement, attributes, content);
}

function filled<Found extends Element>(found: Found, attributes: Record<string, string>, content: Content[]): Found {
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, value);
  found.append(...content);
  return found;
}
