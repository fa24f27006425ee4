"""The option that says which implementation this process times: never two, since their thread pools would fight."""


def pytest_addoption(parser):
    parser.addoption("--implementation", default="numpy", help="backend, module:Class, peer:torch, peer:jax, textbook")


def pytest_generate_tests(metafunc):
    # As a parameter it is part of the test's name, by which a table of several runs tells them apart.
    metafunc.parametrize("implementation", [metafunc.config.getoption("--implementation")])
