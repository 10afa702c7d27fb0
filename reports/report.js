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
    count: { value: (v) => number(v) + "/s", head: (x) => "second " + x },
    ratio: { value: (v) => percent(v), head: null },
    change: { value: (v) => percent(v), head: (x) => "block " + x },
    rate: { value: (v) => number(v) + " ms", head: (x) => number(x) + "/s" },
    use: { value: (v) => number(100 * v) + " %", head: (x) => number(x) + "/s" },
    density: { value: (v) => number(v), head: (x) => number(x) + "/s" },
    users: { value: (v) => number(v) + "/s", head: (x) => number(x) + (x === 1 ? " user" : " users") },
    instances: { value: (v) => number(v) + "/s", head: (x) => number(x) + (x === 1 ? " instance" : " instances") },
  };

  // The curves of a percentile chart have points of their own: each line of its tooltip names its percentile.
  const tooltip = (kind) => (points) => {
    const rows = points
      .filter((p) => p.value && p.value[1] !== null && p.value[1] !== undefined)
      .sort((a, b) => (points.length > most ? b.value[1] - a.value[1] : 0)) // of many, the greatest
      .map((p) => p.marker + escape(p.seriesName) + (kind.head ? "" : " " + nines(p.value[0])) + "&ensp;<b>" + kind.value(p.value[1]) + "</b>");
    if (rows.length === 0) return "";
    if (rows.length > most) rows.splice(most, rows.length, "and " + (rows.length - most) + " more");
    if (kind.head) rows.unshift(kind.head(points[0].value[0]));
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

  const dressed = (chart, picture) => {
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
      formatter: tooltip(kind), backgroundColor: style("sheet"), borderColor: style("line"), borderWidth: 1, confine: true,
      textStyle: { color: style("ink"), fontSize: 13 }, axisPointer: { lineStyle: { color: style("soft") } },
    });
    const byPercentile = kind.head === null;
    dressAxis(option.xAxis[0], byPercentile ? tick : String);
    option.xAxis[0].splitLine.show = byPercentile;
    dressAxis(option.yAxis[0], ["share", "ratio", "change", "use"].includes(chart.kind) ? kind.value : number);
    option.series.forEach((series, i) => {
      const color = style("tone-" + (picture.tones[i] % palette));
      series.itemStyle = { color };
      series.lineStyle = Object.assign({}, series.lineStyle, { color });
      if (["milliseconds", "share", "cores", "count"].includes(chart.kind)) series.sampling = "max"; // long runs keep their peaks
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

  const chooser = (chart, show) => {
    const set = document.createElement("fieldset");
    set.className = "choices";
    const legend = document.createElement("legend");
    legend.textContent = "Show";
    set.append(legend);
    chart.choices.forEach((picture, i) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      input.type = "radio";
      input.name = chart.id;
      input.checked = i === 0;
      input.addEventListener("change", () => show(i));
      label.append(input, picture.label);
      set.append(label);
    });
    return set;
  };

  const redraws = charts.map((chart) => {
    const element = document.getElementById(chart.id);
    document.getElementById(chart.id + "-figure").hidden = false;
    const instance = echarts.init(element);
    let chosen = 0;
    const redraw = () => instance.setOption(dressed(chart, chart.choices[chosen]), true);
    const choose = (i) => { chosen = i; redraw(); };
    if (chart.follows) {
      document.getElementsByName(chart.follows).forEach((input, i) => input.addEventListener("change", () => choose(i)));
    } else if (chart.choices.length > 1) {
      element.before(chooser(chart, choose));
    }
    redraw();
    new ResizeObserver(() => { if (!paper.matches) instance.resize(); }).observe(element);
    return redraw;
  });

  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => redraws.forEach((redraw) => redraw()));
  }
})();
