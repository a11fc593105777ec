"""LoRA files in the form: browsed from their folder, strength by keys, facts, refusals and the estimate."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from skyreels_tui.requests.history import HISTORY_FILE, History
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.screens.form.browse import BrowseScreen
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.widgets.fields.files import FileRows
from tests.ui.conftest import COFFEE
from tests.ui.test_form import field, fill, open_form, problem


def lora(path: Path, width: int = 32) -> Path:
    name = "diffusion_model.blocks.0.self_attn.q"
    save_file({f"{name}.lora_down.weight": torch.ones(4, width), f"{name}.lora_up.weight": torch.ones(width, 4)}, path)
    return path


async def test_it_is_picked_from_the_folder_and_its_strength_set_by_keys(start, tmp_path):
    folder = tmp_path / "styles"
    folder.mkdir()
    file = lora(folder / "ink.safetensors")
    (folder / "notes.txt").write_text("no model")
    async with start((80, 24)) as s:
        s.app.services.settings.change(Settings(loras=str(folder)))
        await open_form(s)
        await fill(s, ref_imgs=(str(COFFEE),), prompt="a walk")
        s.app.screen.query_one("MoreLine").focus()
        await s.press("enter")
        field(s, "lora").query_one("Input").focus()
        await s.press("ctrl+g")
        await s.until(lambda: isinstance(s.app.screen, BrowseScreen))
        await s.shows("ink.safetensors")
        assert "notes.txt" not in s.text
        await s.shows("rank 4")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert field(s, "lora").value == (str(file),)
        field(s, "lora").query_one(FileRows).focus()
        await s.press("minus", "minus", "minus", "plus")
        assert field(s, "lora").value == (f"{file}:0.8",)
        await s.shows("strength 0.8")
        await s.shows("LoRA ink.safetensors 0.8")
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        assert s.job(1).request.lora == (f"{file}:0.8",)


async def test_one_of_another_width_is_refused_under_its_field(start, tmp_path):
    file = lora(tmp_path / "big.safetensors", 5120)
    async with start((80, 50)) as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(COFFEE),), prompt="a walk", lora=(str(file),))
        await s.press("ctrl+s")
        await s.shows("Not queued")
        assert "another width" in problem(s, "lora")
        assert not s.app.board.jobs
        await fill(s, lora=("https://example.org/x.safetensors",))
        assert problem(s, "lora")


async def test_an_earlier_file_comes_back_with_its_strength(start, tmp_path):
    file = lora(tmp_path / "ink.safetensors")
    async with start((80, 50)) as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(COFFEE),), prompt="a walk", lora=(f"{file}:0.3",))
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        assert History(tmp_path / "home/state" / HISTORY_FILE).entries("lora") == [f"{file}:0.3"]
