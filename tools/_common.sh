# Shared by the scripts that start several processes: messages, help, and what a word stands for.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python}

fail() {
    echo "error: $1" >&2
    exit 2
}

# answer_help ARGUMENTS...: print the help of the script (`usage`) where they ask for it.
answer_help() {
    local argument
    for argument in "$@"; do
        case $argument in
            -h | --help)
                usage
                exit
                ;;
        esac
    done
}

# is_there WORD: a file, or what the tool takes in its place: the name of a model, none, mmgtrack::NAME.pth.
is_there() {
    [[ -f $1 || $1 == mmgtrack::* || ! $1 =~ \.(py|pth)$ ]]
}
