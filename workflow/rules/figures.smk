# placeholder: filled in below
rule figures:
    input:
        [],
