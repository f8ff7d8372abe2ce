"""Files as they are written: they run in a process of their own, take PyTorch's names, and compute what PyTorch does."""

import ast
import subprocess
import sys

import pytest

LLAMA = {"num_key_value_heads": 2}


@pytest.fixture(scope="session")
def ported(port, model_folder, tmp_path_factory):
    """ported("bert"): (answer, text) of a port, made once."""
    made = {}

    def of(model_type, **changes):
        key = (model_type, *sorted(changes.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("ported")
            code, answer, errors = port(model_folder(model_type, **changes), folder)
            assert code == 0, errors
            made[key] = answer, (folder / f"modeling_tf_{model_type}.py").read_text()
        return made[key]

    return of


@pytest.mark.parametrize(("model_type", "changes"), [("bert", {}), ("llama", LLAMA)])
def test_outputs_are_those_of_pytorch(ported, model_type, changes):
    answer, _ = ported(model_type, **changes)
    assert answer["verdict"] == "verified"
    assert answer["missing"] == answer["unexpected"] == []
    assert answer["class"] == answer["rows"][0]["class"]
    assert 0 < answer["max_error"] <= 1e-5
    shapes = {tuple(row["shape"][:2]) for row in answer["rows"] if row["name"] == "last_hidden_state"}
    assert shapes == {(2, 7), (3, 11)}
    cases = {row["case"] for row in answer["rows"]}
    assert {"small, saved and loaded", "small, as a graph of any size", "other layers"} <= cases
    assert {"hidden_states", "attentions"} <= {row["name"] for row in answer["rows"]}


def test_one_class_for_each_of_pytorch_in_the_same_order(ported):
    _, text = ported("bert")
    classes = [s.name for s in ast.parse(text).body if isinstance(s, ast.ClassDef)]
    assert classes[classes.index("TFBertEmbeddings") :] == [
        "TFBertEmbeddings", "TFBertSelfAttention", "TFBertSelfOutput", "TFBertAttention", "TFBertIntermediate",
        "TFBertOutput", "TFBertLayer", "TFBertEncoder", "TFBertPooler", "TFBertPredictionHeadTransform",
        "TFBertLMPredictionHead", "TFBertOnlyMLMHead", "TFBertOnlyNSPHead", "TFBertPreTrainingHeads",
        "TFBertPreTrainedModel", "TFBertForPreTrainingOutput", "TFBertMainLayer", "TFBertModel", "TFBertForPreTraining",
        "TFBertLMHeadModel", "TFBertForMaskedLM", "TFBertForNextSentencePrediction", "TFBertForSequenceClassification",
        "TFBertForMultipleChoice", "TFBertForTokenClassification", "TFBertForQuestionAnswering",
    ]  # fmt: skip


def rows_of(answer, name):
    """The outputs of a task class that were compared, and the largest error of each."""
    found = {}
    for row in answer["rows"]:
        if row["class"] == name:
            found[row["name"]] = max(found.get(row["name"], 0.0), row["error"])
    return found


@pytest.mark.parametrize(
    ("model_type", "changes", "name", "compared"),
    [
        ("bert", {}, "BertForMaskedLM", {"logits", "loss", "gradient", "hidden_states", "attentions"}),
        ("bert", {}, "BertForSequenceClassification", {"loss", "loss of float labels", "gradient of float labels"}),
        ("bert", {}, "BertForQuestionAnswering", {"start_logits", "end_logits", "loss", "gradient"}),
        ("bert", {}, "BertForMultipleChoice", {"logits", "loss", "gradient"}),
        ("bert", {}, "BertLMHeadModel", {"logits", "loss", "gradient", "past_key_values", "generate"}),
        ("llama", LLAMA, "LlamaForCausalLM", {"logits", "loss", "gradient", "past_key_values", "generate"}),
        ("llama", LLAMA, "LlamaForSequenceClassification", {"logits", "loss", "gradient", "loss of float labels"}),
    ],
)
def test_task_classes_compute_logits_losses_gradients_and_tokens(ported, model_type, changes, name, compared):
    answer, _ = ported(model_type, **changes)
    assert {head["verdict"] for head in answer["heads"] if head["class"] == name} == {"verified"}
    rows = rows_of(answer, name)
    assert compared <= set(rows)
    assert all(rows[row] <= 1e-5 for row in compared)
    assert rows.get("generate", 0) == 0


def test_the_output_layer_shares_the_input_embeddings_where_the_configuration_says_so(ported):
    _, text = ported("bert")
    assert "if config.tie_word_embeddings:" in text
    assert "self.cls.predictions.decoder.tie_to(self.bert.embeddings.word_embeddings)" in text


def test_branches_on_the_configuration_stay(ported):
    _, text = ported("bert")
    assert 'if self.position_embedding_type == "absolute":' in text
    assert "if self.is_decoder:" in text
    assert "gradient_checkpointing" not in text and "sdpa" not in text
    assert "torch" not in {word for line in text.splitlines() if "pytorch.org" not in line for word in line.split(".")}


def test_comments_are_carried(ported):
    _, text = ported("bert")
    assert '# Take the dot product between "query" and "key" to get the raw attention scores.' in text


def test_lint_finds_nothing(ported, tmp_path):
    for model_type, changes in (("bert", {}), ("llama", LLAMA)):
        _, text = ported(model_type, **changes)
        path = tmp_path / f"{model_type}.py"
        path.write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "119", "--select", "E,F,W",
             "--ignore", "E501", str(path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_a_call_without_a_rule_is_told_with_its_line(port, model_folder, tmp_path):
    code, answer, _ = port(model_folder("mamba", state_size=8), tmp_path)
    assert code == 3
    assert answer["error"]["kind"] == "unsupported"
    assert any(
        "modeling_mamba.py:" in line and "`MambaCache` has no rule" in line for line in answer["error"]["details"]
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_stays(port, model_folder, tmp_path):
    mine = tmp_path / "modeling_tf_bert.py"
    mine.write_text("mine\n")
    code, answer, _ = port(model_folder("bert"), tmp_path)
    assert code == 2 and "--force" in answer["error"]["message"]
    assert mine.read_text() == "mine\n"


def test_a_file_that_stands_alone_is_registered_nowhere(port, model_folder, tmp_path):
    for flags in (["--into", str(tmp_path / "checkout")], ["--weights-merged"]):
        code, answer, _ = port(model_folder("bert"), tmp_path / "out", "--for", "keras", *flags)
        assert code == 2 and flags[0] in answer["error"]["message"]
    assert not (tmp_path / "out").exists()
