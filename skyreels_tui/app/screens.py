"""The screens that are opened by name; each is imported when it is first opened, and gets what it works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.screen import Screen

if TYPE_CHECKING:
    from skyreels_tui.app.services import Services


def make_screen(name: str, services: Services) -> Screen[Any]:
    """Return a new screen: results, films, models, doctor, settings, help, themes or commands."""
    # The first paint does not pay for any of them.
    match name:
        case "results":
            from skyreels_tui.ui.screens.results.results import ResultsScreen

            return ResultsScreen(services.result_dir, services.folders.downloads, served=services.settings.served)
        case "films":
            from skyreels_tui.ui.screens.films.films import FilmsScreen

            return FilmsScreen(services.folders.downloads, services.folders.state)
        case "models":
            from skyreels_tui.ui.screens.models.models import ModelsScreen

            return ModelsScreen(services.folders, services.settings, services.transfers, services.elsewhere)
        case "doctor":
            from skyreels_tui.ui.screens.system.doctor import DoctorScreen

            return DoctorScreen(services.folders, services.settings, services.result_dir)
        case "settings":
            from skyreels_tui.ui.screens.system.settings import SettingsScreen

            return SettingsScreen(services.settings)
        case "themes":
            from skyreels_tui.ui.screens.system.themes import ThemeScreen

            return ThemeScreen(services.settings)
        case "commands":
            from skyreels_tui.ui.screens.system.commands import CommandScreen

            return CommandScreen()
    raise KeyError(f"no screen {name!r}")
