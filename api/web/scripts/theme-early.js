// Before anything is drawn: the theme that was chosen here, so that the page never flashes in the other one.
{
  const chosen = localStorage.getItem("order-engine.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
