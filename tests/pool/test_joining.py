from nexomailer_cli.pool.joining import Behind, Joining


def test_nothing_is_tried_before_a_mail_was_accepted() -> None:
    joining = Joining(is_allowed=True)
    assert joining.choose() is Behind.NOTHING
    joining.encourage()
    assert joining.choose() is Behind.RESET


def test_nothing_is_ever_tried_where_it_is_forbidden() -> None:
    joining = Joining(is_allowed=False)
    joining.encourage()
    assert joining.choose() is Behind.NOTHING
    assert joining.is_taken is False


def test_one_connection_tries_a_reset_and_then_one_an_envelope() -> None:
    joining = Joining(is_allowed=True)
    joining.encourage()
    joining.encourage()
    assert [joining.choose(), joining.choose()] == [Behind.RESET, Behind.NOTHING]
    joining.conclude(is_good=True)
    assert joining.is_taken is None
    joining.encourage()
    assert [joining.choose(), joining.choose()] == [Behind.ENVELOPE, Behind.NOTHING]
    joining.conclude(is_good=True)
    assert joining.is_taken
    assert [joining.choose(), joining.choose()] == [Behind.ENVELOPE, Behind.ENVELOPE]


def test_a_failure_of_either_trial_settles_it_for_the_run() -> None:
    for successes in (0, 1):
        joining = Joining(is_allowed=True)
        joining.encourage()
        for _ in range(successes):
            joining.choose()
            joining.conclude(is_good=True)
        joining.choose()
        joining.conclude(is_good=False)
        joining.encourage()
        assert joining.is_taken is False
        assert joining.choose() is Behind.NOTHING


def test_a_trial_with_nothing_to_send_is_for_the_next_one() -> None:
    joining = Joining(is_allowed=True)
    joining.encourage()
    joining.choose()
    joining.conclude(is_good=True)
    assert joining.choose() is Behind.ENVELOPE
    joining.decline()
    assert joining.choose() is Behind.ENVELOPE
