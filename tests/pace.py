"""Three paces: `make check` runs the quick modules, `make test` all that is not slow, `make test-long` the slow tests.

A slow test is a grid, a stress or a kill run: it repeats, over many sizes, faults, moments, files or languages, what a
test of `make test` shows for real in one or a few. A whole module stands in `SLOW`, as does a single test of one; of a
parametrised test `STAND_FOR_ALL` names the cases that `make test` keeps.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

QUICK = """
cli/test_addresses cli/test_docs cli/test_manual cli/test_refusals cli/test_release cli/test_result_folder
cli/test_typed_paths
families/test_a2v_plan families/test_estimates
files/test_documents files/test_folders files/test_odd_documents files/test_places
i18n/test_reasons i18n/test_shell
kinds/test_architecture kinds/test_planning
live/test_applog live/test_engine_memory live/test_eta live/test_gpu live/test_monitor live/test_notify
live/test_odd_files live/test_recipes live/test_running_times live/test_sensors
media/test_images media/test_tones
memory/test_admission memory/test_watchdog
models_hub/test_locate models_hub/test_transfers models_hub/test_usable
queue/test_attempt_clock queue/test_batch queue/test_board queue/test_clock_trust queue/test_failures queue/test_films
queue/test_hours queue/test_listing queue/test_odd_rows queue/test_read_only queue/test_room
queue/test_store queue/test_sweep
ui/test_shellwords
test_house
"""
"""Modules of which each takes about a second of one core, all tests of it together."""

SLOW = """
media/test_page
queue/test_crash_real
"""
"""Modules that `make test` leaves out whole."""

SLOW_TESTS = """
cli/test_install::test_a_bare_environment_runs_the_wheel
cli/test_install::test_the_archive_gives_the_same_wheel
cli/test_lost_output::test_a_model_is_fetched_once_whoever_listens
cli/test_lost_output::test_a_refusal_keeps_its_exit_code_when_nobody_listens
cli/test_lost_output::test_a_stderr_that_takes_nothing_changes_nothing
cli/test_lost_output::test_the_demo_makes_each_video_once_whoever_listens
cli/test_lost_output::test_where_the_text_is_the_result_only_a_reader_that_left_is_no_failure
cli/test_systemd::test_the_service_survives_a_kill_ends_its_job_and_leaves_nothing
cli/test_terminal::test_results_models_settings_and_doctor_send_no_foreign_sequence
cli/test_terminal::test_what_is_copied_of_a_hostile_name_is_harmless_text
cluster/test_here::test_two_workers_through_every_end_of_a_job
families/test_a2v::test_a_stopped_avatar_of_three_passes_ends_with_the_same_bytes
families/test_a2v::test_another_seed_is_another_video
families/test_a2v_render::test_a_job_stopped_after_every_step_ends_with_the_same_frames
families/test_steady_colors::test_a_job_keeps_the_colours_of_its_input
families/test_steady_colors::test_a_steady_job_goes_on_after_stops_with_the_same_bytes
families/test_trim::test_a_new_shot_of_a_trimmed_video_is_that_of_the_stretch
families/test_trim::test_a_stopped_job_of_a_stretch_goes_on_with_the_same_bytes
families/test_trim::test_two_people_of_one_recording_are_taken_apart
families/test_two_speakers::test_a_stopped_film_of_several_windows_ends_with_the_same_bytes
families/test_two_speakers::test_each_region_and_each_voice_counts
families/test_two_speakers::test_guidance_of_the_voices_works_with_two
families/test_v2v::test_a_job_stopped_at_every_step_of_every_piece_gives_the_same_bytes
families/test_v2v::test_a_new_shot_alone_and_the_same_after_stops
families/test_v2v::test_every_piece_shows_its_own_prompt
films/test_crash::test_a_film_that_is_killed_while_it_is_made_and_run_is_made_once
films/test_episode::test_an_episode_is_made_by_keys_alone
films/test_episode::test_an_episode_is_made_in_the_shell
films/test_join_jobs::test_a_join_is_cancelled_and_tried_again
i18n/test_screens::test_a_job_that_is_edited
i18n/test_screens::test_each_panel_opened_below_the_queue
i18n/test_screens::test_help_to_its_end
i18n/test_screens::test_the_commands_to_their_end
i18n/test_screens::test_the_detail_of_each_job
i18n/test_screens::test_the_form_of_each_task
live/test_soak::test_memory_stands_still_while_jobs_pass
memory/test_large_imports::test_an_engine_imports_no_library_that_it_does_not_use
memory/test_large_imports::test_an_engine_that_loads_searches_for_no_garbage_and_its_libraries_once_at_most
models/test_lora_jobs::test_a_job_of_every_task_runs_on_the_merged_network
parallel/test_two_speakers::test_low_vram_takes_two_speakers
parallel/test_two_speakers::test_two_ranks_tell_the_speakers_apart_as_one_does
queue/test_every_fault::test_every_file_operation_of_every_thread_may_fail
queue/test_quality::test_the_command_makes_both_keeps_them_and_tells_the_figures
queue/test_scale::test_adding_is_quick
queue/test_scale::test_opening_and_listing_is_quick
queue/test_windows::test_a_terminal_that_closes_leaves_the_job_and_the_next_window_shows_it
queue/test_windows::test_a_terminal_that_nobody_reads_does_not_stop_the_engine
results/test_bounds::test_thousands_of_long_sidecars_are_read_up_to_a_sum
ui/test_broken_media::test_the_form_refuses_broken_files_in_words_and_in_time
ui/test_films::test_200_scenes_of_20_films_open_quickly
ui/test_form::test_a_draft_keeps_a_file_name_that_is_not_utf8
ui/test_home::test_ten_thousand_jobs_scroll_by_drawing_only_what_is_seen
ui/test_hostile::test_a_recipe_that_makes_no_sense_is_no_recipe
ui/test_hostile::test_hostile_recipes_and_names_of_videos_leave_the_results_intact
ui/test_regions::test_a_region_stays_in_the_portrait_however_far_it_is_moved_or_stretched
ui/test_regions::test_every_shape_of_portrait_has_its_frames_within
ui/test_regions::test_regions_that_overlap_are_said_and_stay_until_they_do_not
ui/test_results::test_a_browser_starts_no_player_on_this_machine
ui/test_results::test_a_film_that_ends_stands_at_its_last_frame
ui/test_results::test_a_rename_that_fails_changes_nothing
ui/test_results::test_a_still_alone_opens_no_form
ui/test_results::test_a_video_that_cannot_be_moved_stays_whole
ui/test_results::test_arrows_stand_still
ui/test_results::test_films_of_jobs_that_write_elsewhere_are_listed_too
ui/test_results::test_joining_clips_of_two_sizes_can_be_stopped
ui/test_results::test_marked_videos_are_copied_together
ui/test_results::test_marked_videos_go_to_the_trash_together_and_a_taken_name_stays_there
ui/test_results::test_the_last_frame_becomes_a_reference
ui/test_snapshots::test_another_state_size_or_language_of_a_screen_looks_as_stored
ui/test_trim::test_a_recording_of_one_channel_offers_none
ui/test_trim::test_another_file_is_used_whole
ui/test_trim::test_in_portuguese
ui/test_trim::test_the_key_does_nothing_where_there_is_no_part
"""
"""Single tests that `make test` leaves out."""

STAND_FOR_ALL = {
    "cli/test_broken_media::test_broken_files_are_refused_quickly_cheaply_and_in_words": "few",
    "cli/test_lost_output::test_a_file_becomes_jobs_and_they_run_once_whoever_listens": "broken-broken",
    "cli/test_lost_output::test_a_video_that_was_made_is_made": "full-",
    "cli/test_lost_output::test_nothing_takes_anything": "closed",
    "cli/test_lost_output::test_what_was_done_is_done_and_said": "closed",
    "cli/test_lost_terminal::test_a_job_goes_on_as_after_a_hang_up": "stop-*",
    "cli/test_still::test_every_number_is_its_own_frame": "1-24 17-29* 40-60 -2-25",
    "cli/test_surface::test_zsh_completion_works_in_zsh": "fpath*",
    "families/test_a2v::test_silence_and_broken_numbers_do_not_crash": "0-True",
    "families/test_step_preview::test_a_plan_without_room_for_a_frame_shows_linear_pictures": "plan0",
    "families/test_step_preview::test_the_video_is_the_same_to_the_bit_whether_somebody_looks_or_not": "talking_avatar",
    "families/test_stops::test_a_stop_is_heard_between_the_chunks_of_an_encode": "talking_avatar reference_to_video",
    "families/test_trim::test_the_model_is_given_the_last_frames_of_the_stretch": (
        "True-ShotSwitching* False-SingleShot*"
    ),
    "families/test_two_speakers::test_a_film_of_two_voices_keeps_both_in_their_place": "together",
    "files/test_durable::test_everything_that_the_program_keeps_is_private_after_real_use": "000",
    "files/test_free_names::test_what_is_there_stays_and_the_file_gets_a_number": (
        "*write* *bundle* links-join-a_link no?links-join-a_text"
    ),
    "films/test_crash::test_a_killed_join_is_done_once": "2",
    "films/test_dropped::test_a_bad_film_is_set_aside_with_its_problems": "a?mistake no?such?label one?name?twice",
    "films/test_dropped::test_a_kill_at_every_point_makes_a_film_once": "4",
    "films/test_join::test_a_cancelled_join_leaves_nothing_and_can_be_done_again": "decode",
    "films/test_join::test_chapters_stand_at_long_scenes_too": "14",
    "films/test_join::test_quiet_and_loud_music_come_out_alike": "1.0",
    "films/test_processes::test_a_key_is_in_no_list_of_processes_and_in_no_file": "in?a?variable",
    "films/test_processes::test_no_command_outlives_a_killed_program": (
        "hangs-the?command?alone has?left?an?orphan-the?owner?of?the?queue"
    ),
    "i18n/test_choice::test_the_locale_chooses": "locale0* locale4*",
    "i18n/test_screens::test_each_panel_alone": "queue progress",
    "i18n/test_screens::test_questions_and_answers": "keys0",
    "i18n/test_screens::test_the_screens_beside_home": "R",
    "i18n/test_screens::test_what_a_fetch_asks_and_the_files_of_a_model": "r2v",
    "i18n/test_screens::test_what_the_form_opens": "f7",
    "i18n/test_shell::test_completion_describes_options": "add list film models settings",
    "kinds/test_extending::test_every_room_knows_what_the_page_adds": "shell executor",
    "live/test_alone::test_a_lone_panel_wears_the_theme_of_the_settings_and_takes_over_a_new_one": "queue memory",
    "live/test_nvml_cases::test_every_panel_speaks_true_words_whatever_nvml_does": "(38*",
    "media/test_colours::test_a_frame_shows_one_moment": "True-disc.mpg-tff False-broadcast.ts-bff",
    "media/test_colours::test_every_tagged_video_comes_out_in_the_colours_of_a_screen": "PQ HLG BT.2020* SMPTE*",
    "media/test_colours::test_pictures_that_are_stored_as_two_fields": "camera.mp4-tff",
    "media/test_colours::test_the_matrix_is_the_tagged_one_else_that_of_its_size": "1280-* 576-* 64-128-bt709-pc-*",
    "media/test_names::test_a_video_of_any_name_is_read_and_joined": "quotes",
    "media/test_publish::test_any_input_video_is_shown_upright_ahead_of_the_new_part": "odd?size 60?fps",
    "media/test_time::test_a_picture_stays_until_the_next_one_comes": "plain* b_frames* disc*",
    "media/test_time::test_odd_clocks_and_tracks_cost_no_frame": "1000.mkv delay.mp4 late.ts time?code.mov",
    "media/test_tracks::test_every_layout_is_heard": "mono-wav left?only-flac opposite-wav 5.1,?centre-flac",
    "media/test_tracks::test_no_length_and_joined_files_are_read_whole": "stream.aac-* no?length.webm-* no?header*",
    "media/test_tracks::test_the_result_sounds_as_what_drove_the_mouth": "hole.webm",
    "media/test_trim::test_a_recording_is_cut_at_the_very_sample": (
        "0.0-0.7-16000 0.31-1.6-11025 0.777-0.0-44100 0.31-1.6-48000"
    ),
    "media/test_trim::test_nothing_cut_reads_as_ever": "plain.mp4 variable.mp4",
    "media/test_trim::test_pictures_are_cut_at_the_very_frame": "plain.mp4-33-95 variable.mp4-33-95 late.mkv-41-120",
    "media/test_trim::test_the_sound_of_a_result_begins_and_ends_with_the_stretch": "44100",
    "media/test_trim::test_the_sound_of_a_trimmed_video_stays_with_its_pictures": "2.5-44100",
    "memory/test_loading::test_every_value_arrives": "wanted0-*.pth wanted1-*.safetensors",
    "models/test_lora::test_merged_is_what_peft_s_adapter_does_in_every_spelling": "r2v-transformer",
    "models/test_lora_refusals::test_it_is_refused_in_words": (
        "a?file?that?is?not?there a?pickle?with?another?name cut?in?its?values a?header?of?a?terabyte"
        " a?dtype?nobody?knows a?NaN"
    ),
    "models_hub/test_hostile_hub::test_a_client_that_cannot_be_set_up_says_why": (
        "a?token?with?accents no?certificates a?proxy?that*"
    ),
    "models_hub/test_models_screen::test_nothing_is_cut_while_four_files_are_on_their_way": "size0",
    "parallel/test_branches::test_calls_side_by_side_are_those_of_one_rank": "3-6-*",
    "parallel/test_jobs::test_two_ranks_make_what_one_makes": "reference_to_video",
    "parallel/test_jobs::test_two_ranks_take_the_steps_of_one": "talking_avatar",
    "parity/test_a2v::test_one_altered_number_fails": "audio-min16k* vae-* dit-* color-* image-*",
    "parity/test_shapes_of_files::test_of_all_steps_the_last_may_be_all_that_is_held": "*lambda>0-*",
    "parity/test_shapes_of_files::test_what_a_file_does_not_hold_is_said_and_fails_nothing": (
        "and?its?words-r2v-vae-* and?its?words-r2v-scheduler-* its?words?stay-a2v-text-* its?words?stay-a2v-image-*"
    ),
    "parity/test_v2v::test_one_changed_number_fails": (
        "components-vae_decode* v2v-transformer_shot* v2v-float8* v2v-rope* v2v-scheduler*"
    ),
    "queue/test_crash::test_a_kill_at_each_kind_of_point_loses_nothing": "20",
    "queue/test_faults::test_an_error_at_any_write_leaves_the_queue_whole": "28",
    "queue/test_lost_queue::test_a_lost_queue_is_asked_about_and_its_numbers_never_come_again": (
        "gone truncated a_folder journal_alone zeros"
    ),
    "queue/test_read_only::test_commands_that_read_work_and_those_that_change_say_why_not": (
        "killed-list open?elsewhere-results closed-hold?1 killed-edit* open?elsewhere-run"
    ),
    "results/test_bounds::test_a_long_recipe_within_the_limit_keeps_what_tells_the_film_from_others": "escapes",
    "results/test_bounds::test_a_recipe_of_any_size_inside_a_film_takes_no_memory": "deep",
    "ui/test_background::test_q_ends_at_once_also_while_the_engine_loads": "True",
    "ui/test_copying::test_tmux_has_it_and_the_program_says_how_far_it_came": "default on no*",
    "ui/test_copying::test_where_nothing_takes_it_it_is_shown_at_once": "environ0",
    "ui/test_empty::test_the_words_of_an_empty_list_are_read_whole": "en-QueuePanel* pt_BR-FileList*",
    "ui/test_films::test_the_footer_offers_what_changes_something": "not?begun failed",
    "ui/test_films::test_what_is_no_film_is_said_in_the_preview": "{ *31m",
    "ui/test_films::test_without_a_film_only_leaving_is_left": "enter r",
    "ui/test_form::test_a_bad_picture_is_refused_under_its_field": "text*",
    "ui/test_form::test_a_bad_value_is_refused_in_words_and_kept": "duration-61-*",
    "ui/test_form::test_the_browser_goes_to_a_path_that_is_typed_or_pasted": "pasted",
    "ui/test_form_estimate::test_a_queue_that_does_not_run_has_no_end_anywhere": "now",
    "ui/test_form_estimate::test_an_edited_job_keeps_its_turn": "14-*",
    "ui/test_form_estimate::test_what_stops_it_is_one_red_reason_without_an_end": "one?GPU",
    "ui/test_form_room::test_after_a_refusal_the_cursor_is_in_the_first_wrong_field_and_its_words_are_seen": (
        "values4-*"
    ),
    "ui/test_form_room::test_an_own_model_that_cannot_be_used_is_not_waited_for": "folder",
    "ui/test_form_room::test_every_task_names_its_model_and_its_bytes": "r2v",
    "ui/test_form_room::test_the_prompt_has_the_lines_that_the_terminal_has": "size0-*",
    "ui/test_form_room::test_the_queue_stays_in_sight": "size1",
    "ui/test_form_room::test_the_selected_picture_stands_large_beside_the_fields": "size1-*",
    "ui/test_hostile::test_a_hostile_machine_leaves_the_doctor_intact": "few",
    "ui/test_hostile::test_hostile_labels_prompts_and_errors_leave_the_screens_intact": "markup osc",
    "ui/test_keymap::test_as_many_colours_as_the_settings_say": "truecolor-* none-*",
    "ui/test_keymap::test_the_mouse_is_taken_as_the_settings_say": "wheel-* no-*",
    "ui/test_keymap::test_the_prompt_is_written_in_the_person_s_editor": "printf*",
    "ui/test_messages::test_a_message_does_not_follow_to_another_screen": "R M",
    "ui/test_messages::test_a_message_stands_above_the_keys_and_covers_nothing": "size0",
    "ui/test_messages::test_help_begins_with_the_screen_it_is_asked_on_and_cuts_nothing": "FormScreen",
    "ui/test_messages::test_the_commands_are_those_of_the_screen_and_run_there": "ModelsScreen-*",
    "ui/test_pastes::test_a_field_refuses_what_is_too_long_in_words_and_goes_on": "prompt",
    "ui/test_pastes::test_a_paste_of_any_size_costs_no_more_than_what_may_be_taken": "50",
    "ui/test_pastes::test_a_paste_without_marks_is_text_and_as_bounded": "20",
    "ui/test_prompt_help::test_what_went_wrong_is_said_and_the_prompt_stays": "status-*",
    "ui/test_regions::test_alt_with_a_letter_types_nothing_anywhere": "regions",
    "ui/test_regions::test_what_the_video_cuts_away_of_the_portrait_is_dark": "shape1-*",
    "ui/test_results::test_the_frame_shown_starts_another_job": "r-*",
    "ui/test_results_marks::test_a_key_that_does_nothing_says_why": "c-3-*",
    "ui/test_results_marks::test_a_row_has_a_picture_the_prompt_and_the_seed": "size0",
    "ui/test_results_marks::test_two_play_in_step_under_the_fields_in_which_they_differ": "size0",
    "ui/test_rows::test_from_100_columns_a_row_shows_its_request": "size0 size5",
    "ui/test_rows::test_without_a_job_a_key_says_what_makes_one": "enter A x",
    "ui/test_settings::test_a_change_from_the_shell_reaches_a_running_app_or_it_says_when": "ascii hook language theme",
    "ui/test_settings::test_a_change_touches_no_other_setting_whoever_wrote_it_meanwhile": "hook hours rest theme",
    "ui/test_settings::test_hook_and_webhook_are_tried_as_they_are_typed": "*told*",
    "ui/test_sizes::test_a_screen_outlives_every_size_and_can_be_used_again": "form-reference",
    "ui/test_sizes::test_the_app_starts_in_every_size": "1x1",
    "ui/test_trim::test_a_picture_is_found_by_its_number": "plain.mp4 long_groups.mp4 variable.mkv",
    "ui/test_turns::test_a_key_right_after_one_that_opens_a_screen_goes_to_that_screen": "FormScreen LeaveScreen",
    "ui/test_turns::test_text_after_a_key_that_opens_a_search_is_searched_for": "way2-*",
    "ui/test_turns::test_text_after_the_key_of_the_form_lands_in_its_first_field": "keys1",
    "ui/test_walk::test_a_screen_is_gone_through_and_left_by_keys": "FormScreen ConfirmScreen",
    "ui/test_walk::test_the_footer_fits_in_a_language_of_long_words": "FormScreen LeaveScreen",
    "ui/test_workers::test_what_the_workers_of_a_screen_bring_after_it_was_left_is_dropped": (
        "FormScreen ResultsScreen"
    ),
    "ui/test_zones::test_clocks_move_with_the_zone": "home",
    "web/test_site::test_a_foreign_page_reaches_nothing_while_the_owner_is_in": "*-plain evil*-browser",
}
"""Parametrised test -> the ids of its cases, as shell patterns, that `make test` keeps; the others are slow."""

CLUSTER = """
cluster/test_ray
"""
"""Modules that start nodes of Ray on this machine; `-m cluster` runs them alone, `-m 'not cluster'` no Ray at all.

There is no such list for a GPU: every test runs on the processor, what needs a GPU is measured by `bench/`.
"""


def modules(names: str) -> frozenset[str]:
    """Paths below `tests/`."""
    return frozenset(f"{name}.py" for name in names.split())


def is_slow(test: str, case: str) -> bool:
    """Whether `make test` leaves out a test, `ui/test_form::test_x`, with that id of its case, '' of one without."""
    kept = STAND_FOR_ALL.get(test)
    return test in SLOW_TESTS.split() or (kept is not None and not any(fnmatchcase(case, one) for one in kept.split()))
