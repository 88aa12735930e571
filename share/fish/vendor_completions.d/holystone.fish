function _holystone_completion;
    set -l response (env _HOLYSTONE_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -t) holystone);

    for completion in $response;
        set -l metadata (string split "," $completion);

        if test $metadata[1] = "dir";
            __fish_complete_directories $metadata[2];
        else if test $metadata[1] = "file";
            set -l typed (commandline -ct);
            for path in (__fish_complete_path (string replace -r '^.*=' '' -- $typed));
                echo (string replace -r '[^=]*$' '' -- $typed)$path;
            end;
        else if test $metadata[1] = "plain";
            echo $metadata[2];
        end;
    end;
end;

complete --no-files --command holystone --arguments "(_holystone_completion)";
