// What a browser finds of the page it shows: what reaches beyond the window, texts that are hard to read, pictures,
// the entries of lists. Colours are worked out as WCAG 2.2 has it: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
(() => {
  const colour = (text) => {
    const parts = text.match(/[\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((part, i) => part * top.alpha + below[i] * (1 - top.alpha));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const layer = colour(getComputedStyle(at).backgroundColor);
      if (layer.alpha > 0) layers.push(layer);
      if (layer.alpha === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;

  const faint = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !shown(element)) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const paper = behind(element);
    const [light, dark] = [luminance(over(colour(style.color), paper)), luminance(paper)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push({ text: node.data.trim(), ratio });
  }

  const beyond = [...document.body.querySelectorAll("*")]
    .filter((element) => shown(element) && element.getBoundingClientRect().right > innerWidth + 0.5)
    .map((element) => ({ tag: element.tagName, right: element.getBoundingClientRect().right }));
  const spilt = [...document.body.querySelectorAll("td, th, p, h1, h2, h3")]
    .filter((element) => shown(element) && element.scrollWidth > element.clientWidth + 1)
    .map((element) => element.textContent.slice(0, 80));
  const pictures = [...document.images].map((image) => ({
    alt: image.alt,
    naturalWidth: image.complete ? image.naturalWidth : 0,
    width: image.getBoundingClientRect().width,
  }));
  // An entry of a list is a name, the number of the customer behind it, and what stands on the right.
  const entries = [...document.querySelectorAll("td > strong[dir=auto]")].map((name) => {
    const small = name.parentElement.querySelector("small");
    const key = small && small.firstChild && small.firstChild.nodeType === Node.TEXT_NODE ? small.firstChild.data : "";
    const right = name.parentElement.nextElementSibling;
    return [name.textContent, key, [...right.querySelectorAll("strong, small")].map((e) => e.textContent).join(" | ")];
  });
  const card = document.querySelector(".card");
  return {
    innerWidth,
    scrollWidth: document.documentElement.scrollWidth,
    beyond,
    spilt,
    texts,
    faint,
    pictures,
    entries,
    paper: card ? getComputedStyle(card).backgroundColor : "",
  };
})()
