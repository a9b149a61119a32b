for (const select of document.querySelectorAll("select[data-filters]")) {
  const gallery = document.getElementById(select.dataset.filters);
  const status = document.getElementById(select.dataset.filters + "-status");
  const show = () => {
    let count = 0;
    for (const shot of gallery.querySelectorAll("[data-classes]")) {
      const visible = select.value === "" || shot.dataset.classes.split(" ").includes(select.value);
      shot.hidden = !visible;
      count += visible ? 1 : 0;
    }
    status.textContent = count === 1 ? "1 image" : count + " images";
  };
  select.addEventListener("change", show);
  show();
}
