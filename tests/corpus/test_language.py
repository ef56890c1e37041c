from framing.corpus.language import detect_languages


def test_long_paragraphs_speak_for_themselves_and_short_ones_follow() -> None:
    texts = [
        "“Open door”",
        "De Amerikaanse minister zei zaterdag dat de diplomatieke weg met Rusland open blijft.",
        "Der ukrainische Präsident forderte am Montag weitere Waffen von den Verbündeten.",
        "De woordvoerder van het Kremlin sprak van een ernstige fout van de westerse landen.",
    ]
    assert detect_languages(texts) == ["nl", "nl", "de", "nl"]


def test_without_a_long_paragraph_the_hint_counts() -> None:
    assert detect_languages(["Bron", "Reactie (0)"], hint="nl") == ["nl", "nl"]
    assert detect_languages(["123", "---"]) == ["und", "und"]


def test_other_scripts_need_fewer_letters() -> None:
    assert detect_languages(["外交部发言人周二表示，各方应当保持克制，尽快恢复对话与谈判。"]) == ["zh"]
