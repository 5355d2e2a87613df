"""The picture of a map."""

from kdcore.services.explore.maps import Picture
from kdcore.ui.explore.map_chart import sample_map


def test_a_map_of_many_groups_drops_its_legend_and_titles_that_would_cover_another():
    def place(group: int) -> dict:
        return {"x": 0.001 * group, "y": 0.0} if group < 20 else {"x": 1.0, "y": 1.0}

    def picture(count: int, groups: int) -> Picture:
        text = {"question": "<b>q</b>", "answer": "a"}
        names = [(f"s{i}", i % groups) for i in range(count)]
        points = [
            {"sample_id": key, "cluster": g, "selected": key != "s0", "title": f"g{g}", "colour": f"g{g}"}
            | {**place(g), **text}
            for key, g in names
        ]
        titles = [{"cluster": g, "title": f"<g{g}>", "parent_title": f"<g{g}>", **place(g)} for g in range(groups)]
        return Picture(points, titles, [{"column": 0, "line": 0, "rows": 9}], (-1.0, 1.0, -1.0, 1.0), 0.1, 99, False)

    many = sample_map(picture(21, 21))
    assert not many.layout.showlegend
    assert [a.text for a in many.layout.annotations] == ["<b>&lt;g0&gt;</b>", "<b>&lt;g20&gt;</b>"]
    few = sample_map(picture(6, 2))
    assert few.layout.showlegend
    assert few.data[0].z[0][0] == 3  # the density below the points
    dimmed = {trace.name: trace.marker.opacity for trace in few.data[1:]}
    assert dimmed == {"g0": (0.12, 0.9, 0.9), "g1": 0.9}
    assert few.data[1].text[0].startswith("<b>&lt;b&gt;q&lt;/b&gt;</b>"), "a sample's text is never markup"


def test_long_titles_beside_each_other_keep_clear_by_their_length():
    def titles_of(*names: str) -> list[str]:
        groups = [{"cluster": i, "title": n, "parent_title": n, "x": 0.35 * i, "y": 0.0} for i, n in enumerate(names)]
        figure = sample_map(Picture([], groups, [], (-1.05, 1.05, -1.05, 1.05), 0.1, 0, False))
        return [note.text for note in figure.layout.annotations]

    assert titles_of("heart", "lungs", "skin") == ["<b>heart</b>", "<b>lungs</b>", "<b>skin</b>"]
    assert titles_of("data · personal · right", "influence · case · insulin") == ["<b>data · personal · right</b>"]
