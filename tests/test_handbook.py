from framing.handbook import handbook_html
from framing.schema import Facet, Label, Schema


def test_the_handbook_shows_every_label_with_definition_and_examples(real_schema: Schema) -> None:
    page = handbook_html(real_schema)
    for label in real_schema.labels:
        assert f'id="{label.ref}"' in page
    assert page.count('class="yes"') == sum(len(label.examples) for label in real_schema.labels)
    assert page.count('class="no"') == sum(len(label.near_misses) for label in real_schema.labels)


def test_text_of_a_schema_is_never_markup() -> None:
    label = Label("a", "f", "<script>alert(1)</script>", "x & <b>", examples=("<img src=x>",))
    page = handbook_html(Schema("<i>", "d", (Facet("f", "F", "many", "", (label,)),)))
    assert "<script" not in page
    assert "<img" not in page
