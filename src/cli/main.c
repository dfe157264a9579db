#include "cli/cli.h"

int main(int argc, char **argv) { return edn_cli_main(argc, argv); }
