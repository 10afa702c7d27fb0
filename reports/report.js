"use strict";
// Gives the charts of the page the page's colours and number formats, and draws them. The data and the kind of every
// axis come from the run's report; this script adds only looks.
(() => {
  const charts = JSON.parse(document.getElementById("chart-data").textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const palette = 6; // --tone-0 to --tone-5
  const paper = matchMedia("print"); // there the style scales what was drawn for the screen
  const most = 12; // lines of a tooltip
  const escape = echarts.format.encodeHTML;
  const mostButtons = 8; // choices of a chart that are shown as buttons
  const zoomedFrom = 60; // seconds of a run whose charts can be zoomed
  const leftOfTime = 76; // pixels on the left of a chart over time
  const live = document.body.dataset.events; // the address of the events of a run that goes on; else undefined
  let clock = false; // charts over time show the time of day
  let shown = null; // the seconds that they show, [from, to]; null: all

  const number = (v) => (v < 1000 ? String(Number(v.toPrecision(3))) : Math.round(v).toLocaleString("en"));
  // -log10(1 - p): 0 is P0, 1 is P90, 2 is P99, 3 is P99.9
  const nines = (v) => "P" + Number((100 * (1 - Math.pow(10, -v))).toFixed(Math.max(0, Math.ceil(v) - 1)));
  const percent = (v) => (v > 0 ? "+" : "") + Number((100 * v).toPrecision(3)) + " %";
  const tick = (v) => (Number.isInteger(v) ? nines(v) : ""); // the axis ends with the data, between two ticks
  const kinds = {
    nines: { value: (v) => number(v) + " ms", head: null },
    milliseconds: { value: (v) => number(v) + " ms", head: (x) => "second " + x },
    share: { value: (v) => number(100 * v) + " %", head: (x) => "second " + Math.floor(x) },
    cores: { value: (v) => number(v) + " cores", head: (x) => "second " + Math.floor(x) },
    figure: { value: (v) => number(v), head: (x) => "second " + Math.floor(x) },
    count: { value: (v) => number(v) + "/s", head: (x) => "second " + x },
    ratio: { value: (v) => percent(v), head: null },
    change: { value: (v) => percent(v), head: (x) => "block " + x },
    rate: { value: (v) => number(v) + " ms", head: (x) => number(x) + "/s" },
    use: { value: (v) => number(100 * v) + " %", head: (x) => number(x) + "/s" },
    density: { value: (v) => number(v), head: (x) => number(x) + "/s" },
    users: { value: (v) => number(v) + "/s", head: (x) => number(x) + (x === 1 ? " user" : " users") },
    instances: { value: (v) => number(v) + "/s", head: (x) => number(x) + (x === 1 ? " instance" : " instances") },
  };

  const two = (n) => String(n).padStart(2, "0");
  const sinceStart = (x) => {
    const s = Math.round(x), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return (h ? h + ":" + two(m) : m) + ":" + two(s % 60);
  };
  const timeOfDay = (chart, x) => new Date(chart.started + 1000 * x).toISOString().slice(11, 19);
  const lengthOf = (picture) => picture.option.xAxis[0].max;
  const isLong = (picture) => lengthOf(picture) >= 600;
  const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  // The distance of the marks of a time axis such that their labels have room.
  const spacing = (length, width) => seconds.find((s) => length / s <= Math.max(1, (width - leftOfTime - 30) / 80)) || 86400;

  // The curves of a percentile chart have points of their own: each line of its tooltip names its percentile.
  const tooltip = (chart, picture, kind) => (points) => {
    const rows = points
      .filter((p) => p.value && p.value[1] !== null && p.value[1] !== undefined)
      .sort((a, b) => (points.length > most ? b.value[1] - a.value[1] : 0)) // of many, the greatest
      .map((p) => p.marker + escape(p.seriesName) + (kind.head ? "" : " " + nines(p.value[0])) + "&ensp;<b>" + kind.value(p.value[1]) + "</b>");
    if (rows.length === 0) return "";
    if (rows.length > most) rows.splice(most, rows.length, "and " + (rows.length - most) + " more");
    const x = points[0].value[0];
    if (chart.started) rows.unshift((isLong(picture) ? sinceStart(x) : kind.head(x)) + " · " + timeOfDay(chart, x) + " UTC");
    else if (kind.head) rows.unshift(kind.head(x));
    return '<div class="tip">' + rows.join("<br>") + "</div>";
  };

  // Legends show the dashes of their lines.
  const dashes = { points: "M0,1.5a1.5,1.5 0 1,0 3,0a1.5,1.5 0 1,0 -3,0zM11.5,1.5a1.5,1.5 0 1,0 3,0a1.5,1.5 0 1,0 -3,0zM23,1.5a1.5,1.5 0 1,0 3,0a1.5,1.5 0 1,0 -3,0z", solid: "M0,0h26v3h-26z", dashed: "M0,0h7v3h-7zM9.5,0h7v3h-7zM19,0h7v3h-7z", dotted: "M0,0h3v3h-3zM5.75,0h3v3h-3zM11.5,0h3v3h-3zM17.25,0h3v3h-3zM23,0h3v3h-3z" };

  const dressAxis = (axis, label) => {
    axis.nameTextStyle = { color: style("soft") };
    axis.axisLine = { lineStyle: { color: style("line") } };
    axis.axisTick = { lineStyle: { color: style("line") } };
    axis.axisLabel = { color: style("soft"), formatter: label };
    axis.splitLine = { lineStyle: { color: style("line") } };
  };

  // The axis and the slider of a chart over time.
  const dressTime = (option, chart, picture, width) => {
    const axis = option.xAxis[0], length = lengthOf(picture), [from, to] = shown || [0, length];
    const step = spacing(Math.min(to, length) - from, width);
    axis.interval = step;
    axis.axisLabel.formatter = (x) => (Math.abs(x / step - Math.round(x / step)) > 1e-6 ? "" : clock ? timeOfDay(chart, x) : isLong(picture) ? sinceStart(x) : String(x));
    if (clock) axis.name = "time of day, UTC";
    else if (isLong(picture)) axis.name = "time since the start of the run";
    option.grid[0].left = leftOfTime; // labels along the marks at the left edge have room
    option.yAxis[0].nameGap = leftOfTime - 16;
    option.yAxis[0].axisLabel.margin = 18;
    if (length < zoomedFrom) return;
    option.grid[0].bottom = 82;
    option.dataZoom = [{
      type: "slider", startValue: from, endValue: Math.min(to, length), left: leftOfTime, right: 30, bottom: 4, height: 20,
      filterMode: "none", realtime: false, showDataShadow: false, showDetail: false, backgroundColor: "transparent",
      borderColor: style("line"), fillerColor: style("shade"), handleStyle: { color: style("soft") },
    }];
  };

  const dressed = (chart, picture, width) => {
    const option = JSON.parse(JSON.stringify(picture.option));
    const kind = kinds[chart.kind];
    option.textStyle = { fontFamily: getComputedStyle(document.body).fontFamily, color: style("ink") };
    const named = option.series.filter((s, i, all) => s.name && all.findIndex((o) => o.name === s.name) === i); // the ends of an interval have one name
    option.legend.data = named.map((s) => ({ name: s.name, icon: "path://" + dashes[s.symbol === "circle" ? "points" : s.lineStyle.type] }));
    option.legend.itemWidth = 26;
    option.legend.itemHeight = 3;
    option.legend.textStyle = { color: style("ink"), padding: [3, 0] }; // else legends of several pages are cut off where no font has the letter by which ECharts measures
    option.legend.inactiveColor = style("line");
    option.legend.pageTextStyle = { color: style("soft") };
    option.legend.pageIconColor = style("soft");
    option.legend.pageIconInactiveColor = style("line");
    Object.assign(option.tooltip, {
      formatter: tooltip(chart, picture, kind), backgroundColor: style("sheet"), borderColor: style("line"), borderWidth: 1, confine: true,
      textStyle: { color: style("ink"), fontSize: 13 }, axisPointer: { lineStyle: { color: style("soft") } },
    });
    const byPercentile = kind.head === null;
    dressAxis(option.xAxis[0], byPercentile ? tick : String);
    option.xAxis[0].splitLine.show = byPercentile;
    dressAxis(option.yAxis[0], ["share", "ratio", "change", "use"].includes(chart.kind) ? kind.value : number);
    if (chart.started) dressTime(option, chart, picture, width);
    option.series.forEach((series, i) => {
      const color = style("tone-" + (picture.tones[i] % palette));
      series.itemStyle = { color };
      series.lineStyle = Object.assign({}, series.lineStyle, { color });
      if (["milliseconds", "share", "cores"].includes(chart.kind)) series.sampling = "max"; // narrow screens keep the peaks
      if (series.markLine) { // what was done to the system, written along its line
        Object.assign(series.markLine, {
          silent: true, symbol: "none", lineStyle: { color: style("ink"), type: "dashed", width: 1 },
          label: { show: true, position: chart.marks || "middle", formatter: "{b}", color: style("ink"), fontSize: 11 },
        });
      }
      if (series.markArea) {
        series.markArea.silent = true;
        series.markArea.itemStyle = { color: style("shade") };
        series.markArea.data.forEach(([from], row) => { // the first label above the chart, others below one another in it
          from.label = { color: style("soft"), position: [2, 13 * row - 15], align: "left", fontSize: 11 };
        });
      }
    });
    return option;
  };

  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  // A group of buttons of which one is chosen.
  const buttons = (title, name, labels, show) => make("fieldset", { className: "choices" }, make("legend", { textContent: title }),
    ...labels.map((text, i) => {
      const input = make("input", { type: "radio", name, checked: i === 0 });
      input.addEventListener("change", () => show(i));
      return make("label", {}, input, text);
    }));

  const list = (title, name, labels, show) => {
    const select = make("select", { name }, ...labels.map((text) => make("option", { textContent: text })));
    select.addEventListener("change", () => show(select.selectedIndex));
    return make("label", { className: "choices" }, title + " ", select);
  };

  const chooser = (chart, show) =>
    (chart.choices.length > mostButtons ? list : buttons)("Show", chart.id, chart.choices.map((c) => c.label), show);

  const followers = {}; // of a chart, by its id: what else shows its choice
  const overTime = []; // the charts over time

  // Zooming one chart over time zooms all. What is shown begins at a mark of the axis.
  const zoom = (chart, picture, instance, width) => {
    const { startValue, endValue } = instance.getOption().dataZoom[0], length = lengthOf(picture);
    const step = spacing(Math.max(1, endValue - startValue), width);
    const from = Math.max(0, Math.round(startValue / step) * step), to = Math.max(from + 1, Math.round(endValue));
    shown = from <= 0 && to >= length ? null : [from, to];
    overTime.forEach((redraw) => redraw());
  };

  const drawn = new Map(); // by the charts' ids

  const draw = (chart) => {
    const element = document.getElementById(chart.id);
    document.getElementById(chart.id + "-figure").hidden = false;
    const instance = echarts.init(element);
    let chosen = 0, lines = 0, offered = null;
    const redraw = () => {
      const option = dressed(chart, chart.choices[chosen], element.clientWidth);
      instance.setOption(option, option.series.length !== lines || !live);
      lines = option.series.length;
    };
    const choose = (i) => {
      chosen = i;
      redraw();
      (followers[chart.id] || []).forEach((follow) => follow(i));
    };
    const offer = () => {
      const next = chooser(chart, choose);
      if (offered) offered.replaceWith(next);
      else element.before(next);
      offered = next;
    };
    if (chart.follows) {
      (followers[chart.follows] = followers[chart.follows] || []).push(choose);
    } else if (chart.choices.length > 1) {
      offer();
    }
    if (chart.started) {
      overTime.push(redraw);
      instance.on("datazoom", () => zoom(chart, chart.choices[chosen], instance, element.clientWidth));
    }
    redraw();
    let width = element.clientWidth;
    new ResizeObserver(() => {
      if (paper.matches) return;
      instance.resize();
      if (chart.started && element.clientWidth !== width) redraw(); // the marks of its axis have more room, or less
      width = element.clientWidth;
    }).observe(element);
    const update = (next) => {
      const same = next.choices.length === chart.choices.length;
      chart = next;
      if (!same) {
        chosen = 0;
        offer();
      }
      redraw();
    };
    drawn.set(chart.id, { redraw, update });
  };
  charts.forEach(draw);

  const axisChoice = () => {
    const first = document.querySelector("#time .over-time");
    if (!first || overTime.length === 0 || document.getElementsByName("time-axis").length > 0) return;
    first.closest("figure").before(buttons("Time axis", "time-axis", ["since the start", "time of day, UTC"], (i) => {
      clock = i === 1;
      overTime.forEach((redraw) => redraw());
    }));
  };
  axisChoice();

  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => drawn.forEach((one) => one.redraw()));
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details.folded").forEach((d) => { d.open = true; }));

  // The page of a run that goes on gets its figures, as HTML by the ids of the elements, and its charts by events.
  const receive = (event) => {
    const news = JSON.parse(event.data);
    for (const [id, html] of Object.entries(news.html)) document.getElementById(id).innerHTML = html;
    document.title = news.title;
    for (const chart of news.charts || []) {
      if (!drawn.has(chart.id)) {
        document.getElementById(chart.section).append(make("figure", { id: chart.id + "-figure" },
          make("figcaption", {}, make("h3", { textContent: chart.title }), make("p", { className: "note", textContent: chart.note })),
          make("div", { className: "canvas over-time", id: chart.id })));
        draw(chart);
        axisChoice();
      } else drawn.get(chart.id).update(chart);
    }
  };
  if (live) {
    const events = new EventSource(live), gone = document.getElementById("gone");
    events.addEventListener("state", receive);
    events.addEventListener("end", (event) => {
      receive(event);
      events.close();
    });
    events.addEventListener("error", () => { gone.hidden = false; });
    events.addEventListener("open", () => { gone.hidden = true; });
  }

  // A table of many rows can be filtered and sorted. Numbers stand in it as they are read: 1,234 or 1.50 kB.
  const scale = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 };
  const valueOf = (text) => {
    const found = /-?[\d,]*\.?\d+/.exec(text);
    return found ? parseFloat(found[0].replace(/,/g, "")) * (scale[text.slice(found.index + found[0].length).trim()] || 1) : -Infinity;
  };
  const table = document.getElementById("by-request");
  if (table && table.tBodies[0].rows.length > 1) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", className: "sort", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const numeric = head.classList.contains("n"), up = head.ariaSort ? head.ariaSort === "descending" : !numeric;
        heads.forEach((h) => { h.ariaSort = null; });
        head.ariaSort = up ? "ascending" : "descending";
        const text = (row) => row.cells[column].innerText;
        const order = numeric ? (a, b) => valueOf(text(a)) - valueOf(text(b)) : (a, b) => text(a).localeCompare(text(b), undefined, { numeric: true });
        body.append(...[...body.rows].sort((a, b) => (up ? order(a, b) : order(b, a))));
      });
    });
  }
  if (table && table.tBodies[0].rows.length >= 10) {
    const rows = [...table.tBodies[0].rows], input = make("input", { type: "search", name: "filter" }), told = make("output", {});
    const names = rows.map((row) => [...row.cells].slice(0, table.tHead.rows[0].cells.length - 13).map((c) => c.textContent).join(" ").toLowerCase());
    const filter = () => {
      const wanted = input.value.toLowerCase().split(/\s+/);
      rows.forEach((row, i) => { row.hidden = !wanted.every((word) => names[i].includes(word)); });
      told.textContent = rows.filter((row) => !row.hidden).length + " of " + rows.length;
    };
    input.addEventListener("input", filter);
    filter();
    table.closest(".scroll").before(make("label", { className: "choices" }, "Filter the requests ", input, told));
  }
})();
