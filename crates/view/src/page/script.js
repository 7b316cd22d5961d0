// The script of every page: arrow keys in lists and timelines, and on the live page what is new.
"use strict";

(() => {
  const stops = (root) =>
    [...root.querySelectorAll(":scope > li > details > summary, :scope > li > .summary, :scope > li > a")];

  // Arrow keys go from item to item of the list that has the focus.
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const list = event.target.closest(".timeline, .list");
    if (!list) return;
    const all = stops(list);
    const at = all.findIndex((stop) => stop.parentElement.closest(".timeline > li, .list > li")
      === event.target.closest(".timeline > li, .list > li"));
    const details = all[at] && all[at].closest("details");
    let to = null;
    switch (event.key) {
      case "ArrowDown": to = all[at + 1] || next(list, 1); break;
      case "ArrowUp": to = all[at - 1] || next(list, -1); break;
      case "Home": to = all[0]; break;
      case "End": to = all[all.length - 1]; break;
      case "ArrowRight":
        if (list.matches(".list")) to = document.querySelector("[data-detail] .timeline") && first();
        else if (details) details.open = true;
        break;
      case "ArrowLeft":
        if (details) { details.open = false; to = all[at]; }
        break;
      case "Escape": to = document.querySelector(".list a[aria-current]"); break;
      default: return;
    }
    if (!to && !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    if (to) { to.focus(); to.scrollIntoView({ block: "nearest" }); }
  });

  // The last item of the timeline before this one, or the first of the one after it.
  const next = (list, step) => {
    if (!list.matches(".timeline")) return null;
    const lists = [...document.querySelectorAll(".timeline")];
    const other = lists[lists.indexOf(list) + step];
    return other ? stops(other).at(step > 0 ? 0 : -1) : null;
  };
  const first = () => stops(document.querySelector("[data-detail] .timeline"))[0];

  const body = document.body;
  if (!("live" in body.dataset)) return;

  const list = document.querySelector("[data-list]");
  const detail = document.querySelector("[data-detail]");
  const state = document.querySelector("[data-state]");
  const empty = document.querySelector("[data-empty]");
  const picture = document.querySelector("[data-picture]");
  // As many as the gateway keeps.
  const most = 128;
  let latest = Number(list.querySelector("a")?.dataset.id || 0);

  const text = async (path) => {
    const response = await fetch(path, { cache: "no-store" });
    if (!response.ok) throw new Error(response.status === 404 ? "it is no longer kept" : response.statusText);
    return response.text();
  };

  // What comes from the gateway is HTML in which everything that is not its own is escaped.
  const show = async (link, focus) => {
    for (const other of list.querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    try {
      detail.innerHTML = await text(`/exchanges/${link.dataset.id}/timeline`);
      history.replaceState(null, "", `#exchange-${link.dataset.id}`);
      if (focus) first()?.focus();
    } catch (error) {
      detail.textContent = `This exchange cannot be shown: ${error.message}.`;
    }
  };

  list.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-id]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    // A click that a key made has no place; then the focus goes along.
    show(link, event.detail === 0);
  });
  detail.addEventListener("keydown", (event) => {
    if (event.key === "Escape") list.querySelector("a[aria-current]")?.focus();
  });

  const poll = async () => {
    if (document.hidden) return;
    try {
      const news = JSON.parse(await text(`/api/exchanges?after=${latest}&rows=html`));
      if (String(news.generation) !== body.dataset.generation) {
        picture.innerHTML = await text("/picture");
        body.dataset.generation = String(news.generation);
      }
      if (news.latest < latest) {
        // Another gateway is at this port now.
        list.replaceChildren();
        latest = 0;
      } else if (news.latest > latest) {
        list.insertAdjacentHTML("afterbegin", news.rows);
        while (list.children.length > most) list.lastElementChild.remove();
        latest = news.latest;
      }
      empty.hidden = list.children.length > 0;
      state.textContent = news.sample > 0 ? "live" : "";
      state.className = "state state-live";
    } catch {
      state.textContent = "the gateway does not answer";
      state.className = "state state-lost";
    }
  };

  const again = async () => {
    await poll();
    setTimeout(again, 1000);
  };
  document.addEventListener("visibilitychange", poll);
  again();
  const chosen = /^#exchange-(\d+)$/.exec(location.hash);
  const link = chosen && list.querySelector(`a[data-id="${chosen[1]}"]`);
  if (link) show(link, false);
})();
